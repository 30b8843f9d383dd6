"""A run in words and tables, the same for the page and for the spreadsheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.contract.model import ModelContract
from ci.evaluate.words import number
from ci.score.facts import is_quantity
from ci.score.writing import quarantine_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.score.facts import Facts
    from ci.score.outcome import Outcome

MOST_LABELS_SHOWN = 20
BINS = 24
MARKS = {
    "smallest": 0,
    "one row in ten is below": 20,
    "half of the rows are below": 100,
    "one row in ten is above": 180,
    "largest": -1,
}
SAME_SHARE = 0.005


@dataclass(frozen=True)
class Table:
    """Cells are texts or numbers; ``shares`` are columns whose numbers are shares of 1."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    shares: tuple[int, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Bars of shares of rows; ``before`` is last time's, where there was one."""

    title: str
    axis: str
    names: list[str]
    now: list[float]
    before: list[float] | None


@dataclass(frozen=True)
class Story:
    """What a reader is told, in order."""

    title: str
    headline: str
    description: str
    sentences: list[str]
    facts: Table
    charts: list[Chart]
    distributions: list[Table]
    extremes: list[Table]


def tell(outcome: Outcome, last: Outcome | None) -> Story:
    """The story of ``outcome``, held against ``last`` where there was a run before."""
    contract = ModelContract.model_validate(outcome.contract)
    if last is not None and last.facts.keys() != outcome.facts.keys():
        last = None
    parts = [_distribution(contract, name, outcome, last) for name in _told(contract, outcome)]
    return Story(
        title=f"{outcome.model}: batch scoring of {_when(outcome)}",
        headline=_headline(outcome),
        description=f"{contract.description} Owner: {contract.owner}.",
        sentences=[sentence for sentence, _, _ in parts],
        facts=_facts(outcome, last),
        charts=[chart for _, chart, _ in parts],
        distributions=[table for _, _, table in parts],
        extremes=_extremes(contract, outcome),
    )


def _told(contract: ModelContract, outcome: Outcome) -> list[str]:
    """The outputs that are shown: of a ranking the first place."""
    names = [name for name in contract.output if name in outcome.facts]
    return names[:1] if contract.task == "ranking" else names


def _when(outcome: Outcome) -> str:
    return f"{outcome.started[:10]}, {outcome.started[11:16]} UTC"


def _headline(outcome: Outcome) -> str:
    rows = (
        f"All {outcome.rows:,} rows were" if not outcome.bad else f"{outcome.written:,} rows were"
    )
    version = f"version {outcome.version}" if outcome.version is not None else "a candidate"
    return f"{rows} scored by {version}.{_aside(outcome.bad)}"


def _aside(bad: int) -> str:
    if not bad:
        return ""
    which = "row breaks the contract and was" if bad == 1 else "rows break the contract and were"
    return f" {bad:,} {which} set aside."


def _facts(outcome: Outcome, last: Outcome | None) -> Table:
    minutes, seconds = divmod(round(outcome.seconds), 60)
    rows: list[list[Any]] = [
        ["Model", outcome.model],
        ["Version", "-" if outcome.version is None else outcome.version],
        ["Input", Path(outcome.source).name],
        ["Output", Path(outcome.target).name],
        ["Started", _when(outcome)],
        ["Took", f"{minutes} min {seconds} s"],
        ["Rows in the input", outcome.rows],
        ["Rows scored", outcome.written],
        ["Rows set aside", outcome.bad],
    ]
    if outcome.bad:
        rows.append(["They lie, with the reason, in", quarantine_path(Path(outcome.target)).name])
    rows.append(["Last time", _last(last)])
    return Table("The run", ["What", "Value"], rows)


def _last(last: Outcome | None) -> str:
    if last is None:
        return "no earlier run is known here"
    return f"{_when(last)}: {last.written:,} rows by version {last.version}"


def _distribution(
    contract: ModelContract, name: str, outcome: Outcome, last: Outcome | None
) -> tuple[str, Chart, Table]:
    before = last.facts.get(name) if last else None
    if is_quantity(contract, name):
        return _amounts(contract, name, outcome.facts[name], before)
    return _shares(name, outcome.facts[name], before)


def _amounts(
    contract: ModelContract, name: str, now: Facts, before: Facts | None
) -> tuple[str, Chart, Table]:
    unit = contract.output[name].unit or ""
    title = f"{name} ({unit})" if unit not in ("", name) else name
    runs = [now, *([before] if before else [])]
    rows = [["mean", *(run["mean"] for run in runs)]]
    rows += [[word, *(run["quantiles"][at] for run in runs)] for word, at in MARKS.items()]
    table = Table(title, ["", "this time", "last time"][: len(runs) + 1], rows)
    return _mean_in_words(name, unit, now, before), _histogram(title, unit, now, before), table


def _mean_in_words(name: str, unit: str, now: Facts, before: Facts | None) -> str:
    mean = f"The mean of {name} is {number(now['mean'])} {unit}".rstrip()
    if not before:
        return f"{mean}."
    change = (now["mean"] - before["mean"]) / abs(before["mean"]) if before["mean"] else 0.0
    if abs(change) < SAME_SHARE:
        return f"{mean}, the same as last time."
    more = "more" if change > 0 else "less"
    return f"{mean}, {abs(change):.1%} {more} than last time ({number(before['mean'])})."


def _histogram(title: str, unit: str, now: Facts, before: Facts | None) -> Chart:
    """Bins of equal width from the first to the last hundredth; the tails count to the ends."""
    import numpy as np

    known = [each["quantiles"] for each in (now, before) if each]
    low = min(each[2] for each in known)
    high = max(each[-3] for each in known)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return Chart(
        title=f"Distribution of the predicted {title}",
        axis=f"{unit or 'predicted value'}, from low to high; the first and the last bar also hold "
        "all rows beyond them",
        names=[number(float(edge)) for edge in edges[:-1]],
        now=_masses(now["quantiles"], edges),
        before=_masses(before["quantiles"], edges) if before else None,
    )


def _masses(quantiles: Sequence[float], edges: Any) -> list[float]:
    import numpy as np

    below = np.interp(edges, quantiles, np.linspace(0, 1, len(quantiles)))
    below[0], below[-1] = 0.0, 1.0
    return [float(mass) for mass in np.diff(below)]


def _shares(name: str, now: Facts, before: Facts | None) -> tuple[str, Chart, Table]:
    labels = list(now["labels"])[:MOST_LABELS_SHOWN]
    share = [now["labels"][label] / now["count"] for label in labels]
    then = (
        [before["labels"].get(label, 0) / before["count"] for label in labels] if before else None
    )
    rows = [
        [label, now["labels"][label], share[at], *([then[at]] if then else [])]
        for at, label in enumerate(labels)
    ]
    columns = [name, "rows", "share", "share last time"]
    table = Table(name, columns if then else columns[:3], rows, shares=(2, 3))
    chart = Chart(f"How often each {name} is predicted", name, labels, share, then)
    return _shares_in_words(name, labels, share, then), chart, table


def _shares_in_words(
    name: str, labels: list[str], now: list[float], before: list[float] | None
) -> str:
    first = f"The most frequent {name} is {labels[0]}, in {now[0]:.1%} of the rows"
    if before is None:
        return f"{first}."
    changes = [one - other for one, other in zip(now, before, strict=True)]
    place = max(range(len(changes)), key=lambda at: abs(changes[at]))
    if abs(changes[place]) < SAME_SHARE:
        return f"{first}; no share changed by more than half a point since last time."
    more = "more" if changes[place] > 0 else "fewer"
    return (
        f"{first}; {labels[place]} changed most: {abs(changes[place]) * 100:.1f} points {more} "
        "than last time."
    )


def _extremes(contract: ModelContract, outcome: Outcome) -> list[Table]:
    name = contract.answer
    tables = []
    for title, rows in (("highest", outcome.top), ("lowest", outcome.bottom)):
        if rows:
            columns = list(rows[0][1])
            cells = [
                [value, *(_typed(contract, column, cell[column]) for column in columns)]
                for value, cell in rows
            ]
            heading = f"The rows with the {title} {name}"
            tables.append(Table(heading, [name, *columns], cells))
    return tables


def _typed(contract: ModelContract, column: str, cell: Any) -> Any:
    """A number as one, so that it is rounded on the page and sorts in the spreadsheet."""
    rules = contract.input.get(column)
    if rules is None or rules.type not in ("number", "integer"):
        return cell
    try:
        return int(cell) if rules.type == "integer" else float(cell)
    except (TypeError, ValueError):
        return cell
