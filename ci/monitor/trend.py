"""The history of checks as a picture: how far out each metric lay, run after run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.monitor.chunks import chunk_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.monitor.runs import Metric, Run

# More lines than these nobody can tell apart.
MOST_LINES = 8
MOST_EXCESS = 3.0


def trend(model: str, runs: Sequence[Run]) -> Any | None:
    """A line for each of the metrics that lay furthest out; None where there is no past."""
    import plotly.graph_objects as go

    if len(runs) < 2:
        return None
    times = [f"{run.time:%Y-%m-%d %H:%M}" for run in runs]
    figure = go.Figure()
    for key in _furthest(runs):
        found = [_metric(run, key) for run in runs]
        figure.add_scatter(
            x=times,
            y=[None if each is None else min(each.excess, MOST_EXCESS) for each in found],
            text=[_said(each) for each in found],
            hovertemplate="%{text}",
            name=": ".join(part.replace("_", " ") if at else part for at, part in enumerate(key)),
            mode="lines+markers",
        )
    figure.add_hline(1, line_dash="dot", line_color="#b2182b")
    figure.update_layout(
        title=(
            f"{model}: the newest chunk in each of {len(runs)} checks<br><sup>1 is at the "
            f"threshold; drawn up to {MOST_EXCESS:g}. The {MOST_LINES} that lay furthest out."
            "</sup>"
        ),
        template="plotly_white",
        height=420,
        showlegend=True,
        xaxis={"title": "checked at (UTC)", "type": "category"},
        yaxis={"title": "value / threshold", "rangemode": "tozero"},
    )
    return figure


def _furthest(runs: Sequence[Run]) -> list[tuple[str, str]]:
    furthest: dict[tuple[str, str], float] = {}
    for run in runs:
        for each in run.metrics:
            key = (each.name, each.method)
            furthest[key] = max(furthest.get(key, 0.0), each.excess)
    return sorted(furthest, key=lambda key: -furthest[key])[:MOST_LINES]


def _metric(run: Run, key: tuple[str, str]) -> Metric | None:
    return next((each for each in run.metrics if (each.name, each.method) == key), None)


def _said(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return ""
    limit = "" if metric.threshold is None else f", threshold {metric.threshold:.3g}"
    return f"{metric.value:.3g} in the chunk from {chunk_ends(metric.chunk)[0]}{limit}"
