"""What really happened, arriving later in a table of its own, joined to predictions by a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract, Outcomes


@dataclass(frozen=True)
class Joined:
    """The outcome of each row, missing where none is known yet; and in words how it went."""

    values: pd.Series[Any]
    said: str


def join(
    contract: ModelContract, source: Outcomes, target: str, folder: Path, rows: pd.DataFrame
) -> Joined:
    """The outcomes of ``rows``, from the table that the contract of the model in ``folder`` names.

    An outcome that came twice counts as it came last; one of an unknown key belongs to no row.

    Raises:
        MlopsError: ``bad_outcomes`` with file and column.
    """
    absent = [name for name in source.key if name not in rows.columns]
    if absent:
        raise _bad(contract, source, f"its key {absent[0]} is no column of what was predicted")
    table = _read(contract, source, target, folder)
    keys = _keys(table, source)
    known = table[target].set_axis(keys)
    last = known[~known.index.duplicated(keep="last")]
    changed = int((known.groupby(level=0).nunique() > 1).sum())
    wanted = _keys(rows, source)
    values = wanted.map(last.to_dict())
    unknown = len(set(last.index) - set(wanted))
    found = int(values.notna().sum())
    parts = [f"outcomes of {found:,} of {len(rows):,} rows are known ({source.table})"]
    if changed:
        parts.append(f"{changed:,} came again with another value, of which the last counts")
    if unknown:
        parts.append(f"{unknown:,} {'belongs' if unknown == 1 else 'belong'} to no row here")
    return Joined(values.set_axis(rows.index), "; ".join(parts))


def _read(contract: ModelContract, source: Outcomes, target: str, folder: Path) -> pd.DataFrame:
    """Rows with an outcome, in the order in which they came."""
    import pandas as pd

    from ci.evaluate.table import read_table, require_no_mark

    path = folder / source.table
    if not path.is_file():
        raise _bad(contract, source, "the file is missing")
    shown = f"models/{contract.name}/{source.table}"
    table = read_table(path, shown)
    wanted = [*source.key, target, *([source.arrived] if source.arrived else [])]
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise _bad(contract, source, f"it has no column {absent[0]}, which model.yaml names")
    require_no_mark(table[[target]], contract, target, shown)
    if source.arrived:
        try:
            times = pd.to_datetime(table[source.arrived], format="ISO8601", utc=True)
        except ValueError:
            times = pd.Series([pd.NaT])
        if times.isna().any():
            raise _bad(contract, source, f"{source.arrived} has a value that is no ISO date")
        table = table.iloc[times.argsort(kind="stable").to_numpy()]
    return table[table[target].notna()]


def _keys(table: pd.DataFrame, source: Outcomes) -> pd.Series[Any]:
    """One value a row, the same however a file or the log wrote the key's parts."""
    import pandas as pd

    from ci.evaluate.table import text

    parts = [table[name].map(text) for name in source.key]
    return pd.Series(list(zip(*parts, strict=True)), index=table.index, dtype=object)


def _bad(contract: ModelContract, source: Outcomes, problem: str) -> MlopsError:
    return MlopsError(
        "bad_outcomes",
        f"models/{contract.name}/{source.table} can't be joined: {problem}; mend the file or "
        "monitoring.outcomes in model.yaml.",
    )
