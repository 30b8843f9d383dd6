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
BAR, LINE, TEXT = "#3b6ea8", "#c2571a", "#24292f"


def svg(chart: Chart) -> str:
    """``chart`` as an `<svg>` element: a row a label, a mark where it is compared."""
    top = max([*chart.bars, *chart.line], default=0) or 1.0
    scale = (WIDTH - LABELS - VALUES) / top
    height = TOP + ROW * len(chart.bars) + 8
    rows = [_row(chart, index, scale) for index in range(len(chart.bars))]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="sans-serif" font-size="13">'
        f'<text x="0" y="16" font-weight="600" fill="{TEXT}">{escape(chart.title)}'
        f" ({escape(chart.axis)})</text>{''.join(rows)}</svg>"
    )


def _row(chart: Chart, index: int, scale: float) -> str:
    y = TOP + ROW * index
    value = chart.bars[index]
    middle = y + ROW / 2 + 4
    end = LABELS + value * scale
    parts = [
        f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end" fill="{TEXT}">'
        f"{escape(_short(chart.labels[index]))}</text>",
        f'<rect x="{LABELS}" y="{y + 4}" width="{value * scale:.1f}" height="{ROW - 8}" '
        f'fill="{BAR}"/>',
    ]
    if chart.line:
        x = LABELS + chart.line[index] * scale
        end = max(end, x)
        parts.append(
            f'<line x1="{x:.1f}" y1="{y + 1}" x2="{x:.1f}" y2="{y + ROW - 1}" stroke="{LINE}" '
            'stroke-width="3"/>'
        )
    shown = f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
    parts.append(f'<text x="{end + 6:.1f}" y="{middle}" fill="{TEXT}">{shown}</text>')
    return "".join(parts)


def _short(label: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in label)
    return shown if len(shown) <= LABELS // 7 else f"{shown[: LABELS // 7 - 1]}…"
