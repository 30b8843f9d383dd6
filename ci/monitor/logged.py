"""What callers asked of a model's service here and were answered, as the period that is checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bentos.records import PREDICTIONS_FILE
from ci.errors import MlopsError
from ci.monitor.chunks import TARGET, TIME, chunk_of
from ci.monitor.columns import as_column, as_output
from ci.monitor.periods import LEAST_ANALYSIS_ROWS
from ci.observe.recorded import is_own, kept_files, parsed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.evaluate.candidate import Servable

# Beside the inputs, the outputs and TIME; what really happened can be joined by it.
REQUEST, ROW = "_request", "_row"


@dataclass(frozen=True)
class Logged:
    """The rows that are checked, and in a sentence which they are."""

    table: pd.DataFrame
    said: str


def read_logged(
    servable: Servable,
    rules: Monitoring,
    reference: pd.DataFrame,
    folder: Path,
    newest: int | None = None,
) -> Logged:
    """The logged rows of the version that is checked, in ``folder``, by time.

    ``newest`` says how many of them count, where it is given.

    A chunk with far fewer rows than the reference's differs by chance alone: it is left out.

    Raises:
        MlopsError: ``too_few_logged``.
    """
    name = servable.contract.name
    found = _rows(servable, folder)
    if not found.rows[TIME]:
        also = f" (other versions: {found.others})" if found.others else ""
        raise MlopsError(
            "too_few_logged",
            f"The prediction log of {name} has no rows of version {servable.version}{also}"
            f"{found.damage}; callers make them, so try again once there are calls.",
        )
    table = _table(servable.contract, found.rows)
    table = table.tail(newest or len(table)).reset_index(drop=True)
    least = max(LEAST_ANALYSIS_ROWS, _usual_rows(rules, reference) // 2)
    kept = _large_chunks(rules, table, least)
    if kept.empty:
        raise MlopsError(
            "too_few_logged",
            f"The prediction log of {name} has {len(table)} rows of version {servable.version}, "
            f"and in no {_chunk(rules)} the {least} that a comparison with the reference needs; "
            "try again once there are more calls, or widen monitoring.chunk in model.yaml.",
        )
    return Logged(kept, _said(servable, rules, kept, len(table), least, found))


def all_logged(servable: Servable, folder: Path) -> pd.DataFrame:
    """Every logged row of the version: inputs without personal data, outputs, REQUEST and ROW."""
    return _table(servable.contract, _rows(servable, folder).rows)


def with_outcomes(servable: Servable, rules: Monitoring, logged: Logged, folder: Path) -> Logged:
    """``logged`` with what really happened, where the contract says where that arrives."""
    from ci.monitor.outcomes import join

    if rules.outcomes is None or rules.target is None:
        return logged
    named = logged.table.rename(columns={REQUEST: "request_id", ROW: "row"})
    joined = join(servable.contract, rules.outcomes, rules.target, folder, named)
    table = logged.table.assign(**{TARGET: joined.values})
    return Logged(table, f"{logged.said.removesuffix('.')}; {joined.said}.")


@dataclass
class _Rows:
    """Logged values by column, the rows of other versions, and what is not here."""

    rows: dict[str, list[Any]]
    others: int = 0
    sampled: bool = False
    damaged: int = 0

    @property
    def damage(self) -> str:
        return f"; damaged lines in it: {self.damaged:,}" if self.damaged else ""


def _rows(servable: Servable, folder: Path) -> _Rows:
    contract = servable.contract
    inputs = [name for name, column in contract.input.items() if not column.pii]
    found = _Rows({name: [] for name in (TIME, REQUEST, ROW, *inputs, *contract.output)})
    for path in kept_files(folder, PREDICTIONS_FILE):
        with path.open("rb") as file:
            for line in file:
                entry = parsed(line)
                if entry is not None and is_own(entry):
                    continue
                try:
                    _take(servable, found, entry or {})
                except (KeyError, TypeError, ValueError):
                    found.damaged += 1
    return found


def _take(servable: Servable, found: _Rows, entry: dict[str, Any]) -> None:
    """Add the rows of a call, all of them or, where something of it is not there, none."""
    contract, predictions = servable.contract, entry["predictions"]
    if entry["version"] != servable.version:
        found.others += len(predictions)
        return
    rows, step = range(len(predictions)), int(entry["step"])
    columns = {
        TIME: [datetime.fromisoformat(entry["time"])] * len(rows),
        REQUEST: [entry["request_id"]] * len(rows),
        ROW: [number * step + 1 for number in rows],
        **entry["inputs"],
        **_outputs(contract, predictions),
    }
    wanted = {name: columns[name] for name in found.rows}
    if any(len(values) != len(rows) for values in wanted.values()):
        raise ValueError("columns of different lengths")
    for name, values in wanted.items():
        found.rows[name] += values
    found.sampled = found.sampled or step > 1


def _outputs(contract: ModelContract, predictions: list[Any]) -> dict[str, list[Any]]:
    if len(contract.output) == 1:
        return {contract.answer: predictions}
    return {name: [each[name] for each in predictions] for name in contract.output}


def _table(contract: ModelContract, rows: dict[str, list[Any]]) -> pd.DataFrame:
    import pandas as pd

    inputs = [name for name in contract.input if name in rows]
    frame = pd.DataFrame(
        {name: as_column(pd.Series(rows[name], dtype=object), contract, name) for name in inputs}
    )
    frame[TIME] = pd.to_datetime(rows[TIME], utc=True).tz_localize(None)
    frame[REQUEST] = pd.Series(rows[REQUEST], dtype=object)
    frame[ROW] = rows[ROW]
    for name in contract.output:
        frame[name] = as_output(rows[name], contract, name)
    return frame.sort_values(TIME, kind="stable").reset_index(drop=True)


def _usual_rows(rules: Monitoring, reference: pd.DataFrame) -> int:
    """How many rows a chunk of the reference has, as a rule."""
    return int(reference.groupby(chunk_of(rules, reference)).size().median())


def _large_chunks(rules: Monitoring, table: pd.DataFrame, least: int) -> pd.DataFrame:
    sizes = table.groupby(chunk_of(rules, table))[TIME].transform("size")
    return table[sizes >= least].reset_index(drop=True)


def _chunk(rules: Monitoring) -> str:
    return "chunk" if isinstance(rules.chunk, int) else rules.chunk


def _said(
    servable: Servable, rules: Monitoring, kept: pd.DataFrame, rows: int, least: int, found: _Rows
) -> str:
    begin, end = (str(kept[TIME].iloc[at].date()) for at in (0, -1))
    calls = kept[REQUEST].nunique()
    parts = [
        f"{len(kept):,} logged rows of {calls:,} call{'' if calls == 1 else 's'} that version "
        f"{servable.version} answered, from {begin} to {end}"
    ]
    if rows > len(kept):
        parts.append(
            f"{rows - len(kept):,} rows are left out, in {_chunk(rules)}s with fewer than {least}"
        )
    if found.damaged:
        parts.append(f"damaged lines of the log that are left out: {found.damaged:,}")
    if found.sampled:
        parts.append("of large calls some rows only were logged")
    if rules.target and not rules.outcomes:
        parts.append("what really happened is not known of them")
    return "; ".join(parts) + "."
