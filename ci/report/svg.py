"""The report's charts as SVG, for pages that are read outside GitHub."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.report.markdown import Chart

WIDTH = 760
LABELS = 240
ROW = 26
TOP = 34
VALUES = 90
INSIDE = 60
BAR, LINE, TEXT = "#3b6ea8", "#c2571a", "#24292f"


def svg(chart: Chart) -> str:
    """``chart`` as an `<svg>` element: a row a label, a mark where it is compared."""
    top = max([*chart.bars, *chart.line], default=0) or 1.0
    scale = (WIDTH - LABELS - VALUES) / top
    height = TOP + ROW * len(chart.bars) + 8
    rows = [_row(chart, index, scale) for index in range(len(chart.bars))]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="inherit" font-size="13">'
        f'<text x="0" y="16" font-weight="600" fill="{TEXT}">{escape(chart.title)}'
        f" ({escape(chart.axis)})</text>{''.join(rows)}</svg>"
    )


def _row(chart: Chart, index: int, scale: float) -> str:
    """The bar with its value at its end, and a mark with its own where there is a line."""
    y = TOP + ROW * index
    end = LABELS + chart.bars[index] * scale
    parts = [
        _text(LABELS - 8, y, _short(chart.labels[index]), "end", TEXT),
        f'<rect x="{LABELS}" y="{y + 4}" width="{end - LABELS:.1f}" height="{ROW - 8}" '
        f'fill="{BAR}"/>',
    ]
    if chart.line:
        x = LABELS + chart.line[index] * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{y + 1}" x2="{x:.1f}" y2="{y + ROW - 1}" stroke="{LINE}" '
            'stroke-width="3"/>'
        )
        parts.append(_text(max(x, end) + 6, y, _number(chart.line[index]), "start", LINE))
        fits = end - LABELS > INSIDE
        place, colour = (LABELS + 6, "#fff") if fits else (end + 6, TEXT)
        if fits or x - end > INSIDE:
            parts.append(_text(place, y, _number(chart.bars[index]), "start", colour))
    else:
        parts.append(_text(end + 6, y, _number(chart.bars[index]), "start", TEXT))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y + ROW / 2 + 4}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _short(label: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in label)
    return shown if len(shown) <= LABELS // 7 else f"{shown[: LABELS // 7 - 1]}…"
