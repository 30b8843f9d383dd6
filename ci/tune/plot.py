"""The trials of a search as a picture: each one's value, and each parameter against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.tune.outcome import Search, Trial

TRIED, BEST, TODAY = "#3b6ea8", "#c2571a", "#24292f"
PANELS_IN_A_ROW = 3


def write_plot(found: Search, contract: ModelContract, path: Path) -> None:
    """Write the picture as PNG; trials that failed have no value and are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    keys = list(found.as_is.parameters)
    rows = -(-(1 + len(keys)) // PANELS_IN_A_ROW)
    columns = min(PANELS_IN_A_ROW, 1 + len(keys))
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    known = [trial for trial in found.trials if trial.value is not None]
    metric = METRICS[found.metric]
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(1 + len(keys))]
    _panel(axes[0], found, known, [trial.number for trial in known])
    axes[0].set_xlabel("trial (0: today)")
    for axis, key in zip(axes[1:], keys, strict=True):
        _panel(axis, found, known, [trial.parameters[key] for trial in known])
        axis.set_xlabel(key)
        if contract.tune and (rules := contract.tune.parameters.get(key)) and rules.log:
            axis.set_xscale("log")
    for axis in axes:
        axis.set_ylabel(f"{found.metric} ({metric.direction()})")
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{found.model}: {len(known)} trials on the {found.judged_on} rows")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _panel(axis: Any, found: Search, known: list[Trial], places: list[Any]) -> None:
    shown = [str(place) if isinstance(place, bool | str) else place for place in places]
    values = [trial.value for trial in known]
    axis.scatter(shown, values, color=TRIED, s=22)
    axis.axhline(found.as_is.value, color=TODAY, linewidth=1, linestyle=":")
    for place, trial in zip(shown, known, strict=True):
        if trial.number == found.best:
            axis.scatter([place], [trial.value], color=BEST, s=60, zorder=3)
