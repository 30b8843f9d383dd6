"""The reference and the analysis period, with the model's predictions, as NannyML wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.monitor.chunks import PERIODS, TARGET, TIME, UNIT, chunk_of
from ci.monitor.columns import as_column, as_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.evaluate.candidate import Servable
    from ci.monitor.sample import Drawn

LEAST_REFERENCE_ROWS = 100
LEAST_REFERENCE_CHUNKS = 3
LEAST_ANALYSIS_ROWS = 10


@dataclass(frozen=True)
class Periods:
    """Both periods: input columns, TIME, output columns, TARGET and UNIT where the file has them.

    ``forbidden`` says for some input columns which rows of the analysis have a value that the
    contract forbids. Such rows, and those without a value that it asks for, have no prediction.
    """

    reference: pd.DataFrame
    analysis: pd.DataFrame
    forbidden: dict[str, pd.Series[Any]] = field(default_factory=dict)

    @cached_property
    def empty(self) -> frozenset[str]:
        """Columns without any value in one of the periods, looked for once."""
        tables = (self.reference, self.analysis)
        return frozenset(
            str(name) for table in tables for name in table if table[name].isna().all()
        )

    @cached_property
    def varied(self) -> frozenset[str]:
        """Columns with two values or more in the reference, looked for once."""
        return frozenset(str(name) for name in self.reference if _varies(self.reference[name]))


def _varies(column: pd.Series[Any]) -> bool:
    import pandas as pd

    known = column.dropna()
    if known.empty or pd.api.types.is_list_like(known.iloc[0]):  # a ranking's items
        return False
    return bool((known != known.iloc[0]).any())


def read_reference(
    servable: Servable, rules: Monitoring, folder: Path, log: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Read the reference of the model in ``folder`` and let the model predict it.

    The second is what a reader has to know of it, if anything.

    Raises:
        MlopsError: ``bad_period`` with file and column.
    """
    from ci.evaluate.predict import predict

    drawn, shown = _read(servable, rules, folder / rules.reference)
    table = drawn.table
    answers = predict(servable, table, shown, log)
    reference = _frame(servable, rules, table, rules.reference, answers)
    _require_rows(servable.contract, rules.reference, reference, LEAST_REFERENCE_ROWS)
    _require_thresholds(servable.contract, rules, reference)
    return reference, [f"{shown}: {drawn.said}."] if drawn.said else []


@dataclass(frozen=True)
class Analysis:
    """The rows that are checked, `Periods.forbidden`, and in words which they are."""

    table: pd.DataFrame
    forbidden: dict[str, pd.Series[Any]]
    said: str


def read_analysis(
    servable: Servable, rules: Monitoring, folder: Path, log: Path, scored: Path | None = None
) -> Analysis:
    """As `read_reference`, for the file of the analysis period.

    ``scored`` is a table that has the predictions already, as batch scoring writes it.
    What the contract forbids is what a check has to find: such rows count, without a prediction.
    """
    from ci.evaluate.predict import predict
    from ci.monitor.outcomes import join

    contract = servable.contract
    path = scored or folder / rules.analysis
    drawn, shown = _read(servable, rules, path, str(scored) if scored else None)
    table = drawn.table
    forbidden = forbidden_values(contract, table)
    if scored:
        answers = _scored(contract, table, shown)
    else:
        good = ~_unfit(contract, table, forbidden)
        found = predict(servable, table[good], shown, log) if good.any() else {}
        answers = {name: _spread(found.get(name, []), good) for name in contract.output}
    outcomes = ""
    if rules.outcomes is not None and rules.target is not None:
        joined = join(contract, rules.outcomes, rules.target, folder, table)
        table, outcomes = table.assign(**{rules.target: joined.values}), f"; {joined.said}"
    frame = _frame(servable, rules, table, rules.analysis, answers, forbidden)
    _require_rows(contract, rules.analysis, frame, LEAST_ANALYSIS_ROWS)
    marks = {name: frame.pop(_mark(name)) for name in forbidden}
    begin, end = (str(frame[TIME].iloc[at].date()) for at in (0, -1))
    rows = drawn.said or f"{len(frame):,} rows"
    unanswered = int(frame[list(contract.output)].isna().all(axis=1).sum())
    breaks, has = ("breaks", "has") if unanswered == 1 else ("break", "have")
    without = f"; {unanswered:,} {breaks} the contract and {has} no prediction"
    said = f"{rows} of {shown}, from {begin} to {end}{without if unanswered else ''}{outcomes}."
    return Analysis(frame, marks, said)


def forbidden_values(contract: ModelContract, table: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Which rows have a value that the contract forbids, for the columns that have one."""
    import pandas as pd

    from bentos.rows import fits, problem_of
    from ci.evaluate.table import values

    found = {}
    for name, column in contract.input.items():
        plain, allowed = values(table[name], column.type), {**vars(column), "nullable": True}
        if not fits(allowed, plain):
            broken = [problem_of(allowed, value) is not None for value in plain]
            found[name] = pd.Series(broken, index=table.index)
    return {name: broken for name, broken in found.items() if broken.any()}


def _unfit(
    contract: ModelContract, table: pd.DataFrame, forbidden: dict[str, pd.Series[Any]]
) -> pd.Series[Any]:
    """Rows that the model would refuse."""
    import pandas as pd

    unfit = pd.Series(False, index=table.index)
    for broken in forbidden.values():
        unfit |= broken
    for name, column in contract.input.items():
        if not column.nullable:
            unfit |= table[name].isna()
    return unfit


def _scored(contract: ModelContract, table: pd.DataFrame, shown: str) -> dict[str, list[Any]]:
    """The predictions that ``table`` has."""
    from ci.evaluate.table import values

    absent = [name for name in contract.output if name not in table.columns]
    if absent:
        problem = f"has no column {absent[0]}: give what `mlops score` or a batch run wrote"
        raise MlopsError("bad_period", f"{shown} {problem}.")
    found = {name: values(table[name], column.type) for name, column in contract.output.items()}
    for name, column in contract.output.items():
        if any(value is not None and column.problem_of(value) for value in found[name]):
            problem = f"has a value in {name} that model.yaml does not allow"
            raise MlopsError("bad_period", f"{shown} {problem}; score it again.")
    return found


def _spread(found: Sequence[Any], good: pd.Series[Any]) -> list[Any]:
    """The answers, with None for the rows that were not asked."""
    answers = iter(found)
    return [next(answers) if asked else None for asked in good]


def _mark(name: str) -> str:
    """A column of the frame that no contract can name."""
    return f"_forbidden {name}"


def _require_rows(contract: ModelContract, file: str, table: pd.DataFrame, least: int) -> None:
    if len(table) < least:
        rows = f"{len(table)} row{'' if len(table) == 1 else 's'}"
        raise _bad(contract, file, f"has {rows}; it needs at least {least}")


def _require_thresholds(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame
) -> None:
    """Refuse a reference from which nothing tells what is usual."""
    chunks = len(set(chunk_of(rules, reference)))
    if chunks < LEAST_REFERENCE_CHUNKS:
        problem = (
            f"has {chunks} of the chunks that monitoring.chunk asks for ({rules.chunk}), and what "
            f"is usual needs at least {LEAST_REFERENCE_CHUNKS}"
        )
        raise _bad(contract, rules.reference, problem)
    if rules.target and (TARGET not in reference or reference[TARGET].isna().all()):
        problem = f"has no value in {rules.target}, which model.yaml names as monitoring.target"
        raise _bad(contract, rules.reference, problem)


def _read(
    servable: Servable, rules: Monitoring, path: Path, shown: str | None = None
) -> tuple[Drawn, str]:
    """The table in ``path`` with all that the check needs, and how it is called in sentences."""
    from ci.evaluate.table import require_no_mark
    from ci.monitor.sample import read_drawn

    contract = servable.contract
    if not path.is_file():
        todo = "give a file that is there" if shown else f"type: mlops train {contract.name}"
        shown = shown or f"models/{contract.name}/{path.parent.name}/{path.name}"
        raise MlopsError("bad_period", f"{shown} is missing; {todo}")
    shown = shown or f"models/{contract.name}/{path.parent.name}/{path.name}"
    drawn = read_drawn(path, shown)
    wanted = [*contract.input, rules.timestamp]
    absent = [name for name in wanted if name not in drawn.table.columns]
    if absent:
        raise _bad(contract, path.name, f"has no column {absent[0]}, which model.yaml names")
    require_no_mark(drawn.table, contract, rules.target, shown)
    return drawn, shown


def _frame(
    servable: Servable,
    rules: Monitoring,
    table: pd.DataFrame,
    file: str,
    answers: Mapping[str, Sequence[Any]],
    forbidden: Mapping[str, pd.Series[Any]] | None = None,
) -> pd.DataFrame:
    import pandas as pd

    contract, name = servable.contract, file.rpartition("/")[2]
    columns = {name: as_column(table[name], contract, name) for name in contract.input}
    frame = pd.DataFrame(columns)
    frame[TIME] = _times(table[rules.timestamp], contract, rules, name)
    for output, values in answers.items():
        frame[output] = as_output(values, contract, output)
    if rules.target and rules.target in table.columns:
        frame[TARGET] = table[rules.target].to_numpy()
    unit = contract.evaluation.unit
    if unit and unit in table.columns:
        frame[UNIT] = table[unit].to_numpy()
    for column, broken in (forbidden or {}).items():
        frame[_mark(column)] = broken
    return frame.sort_values(TIME, kind="stable").reset_index(drop=True)


def _times(
    column: pd.Series[Any], contract: ModelContract, rules: Monitoring, file: str
) -> pd.Series[Any]:
    import pandas as pd

    try:
        times = pd.to_datetime(column, format="ISO8601", utc=True).dt.tz_localize(None)
    except ValueError:
        times = pd.Series([pd.NaT])
    if times.isna().any():
        problem = f"has a value in {column.name} that is no ISO date such as 2017-11-06"
        raise _bad(contract, file, problem)
    latest = times.max()
    if latest > _latest(rules):
        problem = f"has {latest.date()} in {column.name}, which lies in the future"
        raise _bad(contract, file, problem)
    return times


def _latest(rules: Monitoring) -> pd.Timestamp:
    """The end of the chunk after this one: what is predicted may be of the next week."""
    import pandas as pd

    now = pd.Timestamp.now()
    if isinstance(rules.chunk, int):
        return now + pd.Timedelta(days=1)
    return (now.to_period(PERIODS[rules.chunk]) + 1).end_time


def _bad(contract: ModelContract, file: str, problem: str) -> MlopsError:
    return MlopsError(
        "bad_period",
        f"models/{contract.name}: {file} {problem}; mend the script that writes it and type: "
        f"mlops train {contract.name}",
    )
