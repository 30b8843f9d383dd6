"""The report as one HTML page that needs no network and prints well."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from ci.evaluate.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.score.story import Chart, Story, Table

NOW, BEFORE = "#4c8bc9", "#b35c00"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 300, 60, 60, 16
LABELLED = 8
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
color: #1f2328 } h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.headline { font-size: 1.15rem; font-weight: 600 } table { border-collapse: collapse }
td, th { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #d0d7de }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto } svg { max-width: 100%; height: auto } text { font-size: 13px }
"""


def page(story: Story) -> str:
    """The whole document."""
    title = html.escape(story.title)
    told = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in story.sentences)
    pairs = zip(story.charts, story.distributions, strict=True)
    shown = "".join(f"{_chart(chart)}{_table(table, head='')}" for chart, table in pairs)
    rest = "".join(_table(table, head=table.title) for table in story.extremes)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'<h1>{title}</h1><p class="headline">{html.escape(story.headline)}</p>{told}'
        f"<p>{html.escape(story.description)}</p>{_table(story.facts, head=story.facts.title)}"
        f"{shown}{rest}</body></html>\n"
    )


def _table(table: Table, head: str) -> str:
    numeric = [_is_numeric(table, place) for place in range(len(table.columns))]
    titles = "".join(
        f"<th{_class(is_number)}>{html.escape(name)}</th>"
        for name, is_number in zip(table.columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_class(numeric[place])}>"
            f"{html.escape(cell_text(cell, place in table.shares))}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    heading = f"<h2>{html.escape(head)}</h2>" if head else ""
    return (
        f'{heading}<div class="scroll"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _is_numeric(table: Table, place: int) -> bool:
    return all(isinstance(row[place], int | float | None) for row in table.rows)


def _class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def cell_text(cell: Any, share: bool) -> str:
    """A cell as people read it."""
    if cell is None:
        return "-"
    if share:
        return f"{cell:.1%}"
    if isinstance(cell, float):
        return number(cell)
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _chart(chart: Chart) -> str:
    highest = max([*chart.now, *(chart.before or []), 1e-9])
    step = (WIDTH - LEFT) / len(chart.now)
    bars = "".join(_bar(chart, at, step, highest) for at in range(len(chart.now)))
    before = _outline(chart.before, step, highest) if chart.before else ""
    legend = [(NOW, "this time"), *([(BEFORE, "last time")] if chart.before else [])]
    keys = "".join(
        f'<rect x="{WIDTH - 190 + 100 * at}" y="4" width="12" height="12" fill="{colour}"/>'
        f'<text x="{WIDTH - 172 + 100 * at}" y="15">{word}</text>'
        for at, (colour, word) in enumerate(legend)
    )
    title = html.escape(chart.title)
    return (
        f'<h2>{title}</h2><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" width="{WIDTH}">'
        f"<title>{title}</title>{_grid(highest)}{bars}{before}{_names(chart, step)}{keys}"
        f'<text x="{LEFT}" y="{HEIGHT - 6}" fill="#57606a">{html.escape(chart.axis)}; '
        "height: share of the rows</text></svg>"
    )


def _y(share: float, highest: float) -> float:
    return TOP + 10 + (HEIGHT - BOTTOM - TOP - 10) * (1 - share / highest)


def _bar(chart: Chart, at: int, step: float, highest: float) -> str:
    share = chart.now[at]
    y = _y(share, highest)
    return (
        f'<rect x="{LEFT + at * step + 1:.1f}" y="{y:.1f}" width="{max(step - 2, 1):.1f}" '
        f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{NOW}">'
        f"<title>{html.escape(chart.names[at])}: {share:.1%}</title></rect>"
    )


def _outline(shares: Sequence[float], step: float, highest: float) -> str:
    """Last time's bars as lines, so that this time's stay visible behind them."""
    return "".join(
        f'<line x1="{LEFT + at * step:.1f}" x2="{LEFT + (at + 1) * step:.1f}" '
        f'y1="{_y(share, highest):.1f}" y2="{_y(share, highest):.1f}" stroke="{BEFORE}" '
        'stroke-width="3"/>'
        for at, share in enumerate(shares)
    )


def _grid(highest: float) -> str:
    lines = []
    for share in (0.0, highest / 2, highest):
        y = _y(share, highest)
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.1%}</text>'
        )
    return "".join(lines)


def _names(chart: Chart, step: float) -> str:
    """As many names under the bars as there is room for."""
    every = max(1, -(-len(chart.names) // LABELLED))
    room = max(4, int(step * every / 8))
    shown = range(0, len(chart.names), every)
    return "".join(
        f'<text x="{LEFT + at * step + 2:.1f}" y="{HEIGHT - BOTTOM + 18}">'
        f"{html.escape(_cut(chart.names[at], room))}</text>"
        for at in shown
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
