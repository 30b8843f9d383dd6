"""The drift report: one page for a manager, one picture for an issue."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from ci.evaluate.metrics import METRICS
from ci.files import write_whole
from ci.monitor.alerts import excess
from ci.monitor.chunks import chunk_ends, chunk_order
from ci.monitor.measures import REALISED, SHARES
from ci.monitor.trend import trend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci.contract.model import ModelContract
    from ci.monitor.alerts import Signal
    from ci.monitor.conclude import Checked
    from ci.monitor.measures import Measure
    from ci.monitor.runs import Run

# Below the threshold pale, above it red; the colours stay apart for colour-blind readers.
SCALE = [[0, "#f2f4f7"], [0.499, "#9fc3e6"], [0.5, "#f4a582"], [1, "#b2182b"]]
MOST_ROWS = 60
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
h1 { font-size: 1.4rem } .alert { color: #b2182b } .passed { color: #9a6700 }
.quiet { color: #1a7f37 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem;
border-bottom: 1px solid #d0d7de } td.number { font-variant-numeric: tabular-nums }
"""


def write_report(
    checked: Checked, measures: Sequence[Measure], contract: ModelContract, runs: Sequence[Run]
) -> None:
    """Write ``checked.report`` (HTML that needs no network) and ``checked.plot`` (PNG).

    ``runs`` are all checks of this kind, this one too.
    """
    performance = _performance(checked)
    # What weighs most comes first: the realised error where there is one.
    charts = [*([performance] if performance else []), _heat_map(checked, measures)]
    write_whole(checked.plot, _stacked(charts))
    past = trend(checked.model, runs)
    write_whole(checked.report, _page(checked, contract, [*charts, *([past] if past else [])]))


def _stacked(charts: Sequence[Any]) -> bytes:
    """One PNG with the charts below one another."""
    from io import BytesIO

    from PIL import Image

    images = [
        Image.open(BytesIO(chart.to_image(format="png", width=1100, scale=1.5))) for chart in charts
    ]
    height = sum(image.height for image in images)
    whole = Image.new("RGB", (images[0].width, height), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    target = BytesIO()
    whole.save(target, "PNG", optimize=True)
    return target.getvalue()


def _heat_map(checked: Checked, measures: Sequence[Measure]) -> Any:
    import plotly.graph_objects as go

    shown = _furthest(checked.features)
    names = [_label(signal) for signal in shown]
    keys = [(s.name, s.method) for s in shown]
    quieter = len(checked.features) - len(shown)
    more = f" {quieter} quieter rows are in the table only." if quieter else ""
    chunks = sorted({measure.chunk for measure in measures}, key=chunk_order)
    found = {(m.name, m.method, m.chunk): m for m in measures}
    cells = [[found.get((*key, chunk)) for chunk in chunks] for key in keys]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if m is None else min(excess(m), 2.0) for m in row] for row in cells],
            x=[chunk_ends(chunk)[0] for chunk in chunks],
            y=names,
            text=[
                ["" if m is None or m.value is None else _cell(m.value) for m in row]
                for row in cells
            ],
            texttemplate="%{text}",
            zmin=0,
            zmax=2,
            colorscale=SCALE,
            xgap=2,
            ygap=2,
            colorbar={"title": "value / threshold", "tickvals": [0, 1, 2]},
        )
    )
    figure.update_layout(
        title=(
            f"{checked.model}: how far each column is from its reference<br><sup>The larger the "
            "number, the further (shares: share of rows). Red: over the column's threshold."
            f"{more}</sup>"
        ),
        template="plotly_white",
        height=190 + 34 * len(names),
        yaxis={"autorange": "reversed", "automargin": True},
        xaxis={"title": "chunk that begins on", "type": "category"},
    )
    return figure


def _cell(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:,.0f}"


def _furthest(features: Sequence[Signal]) -> list[Signal]:
    """As many as a picture can hold, in their order; those that lie furthest out."""

    def weight(signal: Signal) -> tuple[bool, int, float]:
        return signal.alert, len(signal.chunks_over), (signal.value or 0) / (signal.threshold or 1)

    kept = sorted(features, key=weight, reverse=True)[:MOST_ROWS]
    return [signal for signal in features if signal in kept]


def _label(signal: Signal) -> str:
    plain = signal.method not in SHARES
    return signal.name if plain else f"{signal.name}: {signal.method.replace('_', ' ')}"


def _performance(checked: Checked) -> Any | None:
    import plotly.graph_objects as go

    lines = {kind: rows for kind, rows in checked.performance.items() if rows}
    if not lines:
        return None
    figure = go.Figure()
    for kind, rows in lines.items():
        x = [chunk_ends(row.chunk)[0] for row in rows]
        figure.add_scatter(x=x, y=[row.value for row in rows], name=kind, mode="lines+markers")
    # An alert is about the realised value, whose limits follow the rows of each chunk.
    judged = lines.get(REALISED) or next(iter(lines.values()))
    for edges in ([row.lower for row in judged], [row.upper for row in judged]):
        figure.add_scatter(
            x=[chunk_ends(row.chunk)[0] for row in judged],
            y=edges,
            mode="lines+markers",
            line={"dash": "dot", "color": "#b2182b"},
            marker={"symbol": "line-ew-open", "size": 10},
            showlegend=False,
        )
    label = METRICS[judged[0].name].label
    figure.update_layout(
        title=f"{checked.model}: {label} (dotted: the limits{_of_which(lines)})",
        template="plotly_white",
        height=380,
        showlegend=True,
        xaxis={"title": "chunk that begins on", "type": "category"},
        yaxis={"title": label},
    )
    return figure


def _of_which(lines: Mapping[str, Sequence[Measure]]) -> str:
    return f" of the {REALISED} one" if len(lines) > 1 else ""


def _page(checked: Checked, contract: ModelContract, charts: Sequence[Any]) -> str:
    shown = [
        chart.to_html(full_html=False, include_plotlyjs="inline" if index == 0 else False)
        for index, chart in enumerate(charts)
    ]
    tone = "alert" if checked.alert else "passed" if checked.passed else "quiet"
    version = f"version {checked.version}" if checked.version else "the candidate"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>Drift: {checked.model}</title>'
        f"<style>{STYLE}</style><h1 class={tone}>{html.escape(checked.headline)}</h1>"
        f"<p>{html.escape(contract.description)} Checked: {version}. Ask {contract.owner}.</p>"
        f"{_paragraph(checked.earlier)}{_paragraph(checked.period)}"
        f"{''.join(shown)}{_table(checked)}{_left_out(checked)}</html>"
    )


def _paragraph(text: str | None) -> str:
    return f"<p>{html.escape(text)}</p>" if text else ""


def _left_out(checked: Checked) -> str:
    """What the check says nothing about."""
    reasons = [f"{each.name}: {each.reason}" for each in checked.unmeasured]
    notes = [checked.performance_note] if checked.performance_note else []
    items = "".join(f"<li>{html.escape(text)}" for text in [*reasons, *notes])
    left_out = f"<h2>Not measured</h2><ul>{items}</ul>" if items else ""
    how = "".join(f"<li>{html.escape(text)}" for text in checked.notes)
    return left_out + (f"<h2>How it was measured</h2><ul>{how}</ul>" if how else "")


def _table(checked: Checked) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(s.name)}<td>{s.method.replace('_', ' ')}"
        f"<td class=number>{_shown(s.value)}<td class=number>{_shown(s.threshold)}"
        f"<td>{chunk_ends(s.chunk)[0]}<td>{len(s.chunks_over)}<td>{'alert' if s.alert else ''}"
        for s in checked.features
    )
    head = ["column", "method", "value", "threshold", "furthest out in", "chunks over", "alert"]
    return f"<table><tr>{''.join(f'<th>{title}' for title in head)}{rows}</table>"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
