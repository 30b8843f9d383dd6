"""Tables that a model's pipeline wrote (holdout, periods), and their columns as contract values."""

from __future__ import annotations

import math
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract

# All columns as text, empty = missing.
CSV: dict[str, Any] = {
    "dtype": str,
    "keep_default_na": False,
    "na_values": [""],
    "encoding": "utf-8-sig",
}
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
SHOWN_ROWS = 3
# What R's write.csv writes for a missing value, unless it is told otherwise.
MARK = "NA"


def read_table(path: Path, shown: str) -> pd.DataFrame:
    """The rows of a CSV (all columns text, empty = missing) or Parquet file.

    Raises:
        MlopsError: ``bad_table``.
    """
    import pandas as pd

    with readable(shown):
        is_parquet = path.suffix == ".parquet"
        table = pd.read_parquet(path) if is_parquet else pd.read_csv(path, **CSV)
    if table.empty:
        raise bad_table(shown, "it has no rows")
    return _by_place(table) if is_parquet else _as_wide_as_its_header(table, shown)


def read_blocks(path: Path, shown: str, rows: int) -> Iterator[pd.DataFrame]:
    """As `read_table`, so many rows at a time; a table without rows has no blocks.

    Raises:
        MlopsError: ``bad_table``.
    """
    import pandas as pd

    with readable(shown):
        if path.suffix == ".parquet":
            import pyarrow.parquet

            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(rows):
                yield _by_place(batch.to_pandas())
        else:
            for block in pd.read_csv(path, chunksize=rows, **CSV):
                yield _as_wide_as_its_header(block, shown)


def _by_place(table: pd.DataFrame) -> pd.DataFrame:
    """Rows known by their place; the index of a frame that was written has no say in it.

    A filtered or shuffled frame keeps its old numbers in Parquet, and answers would go to others.
    """
    return table.reset_index(drop=table.index.names == [None])


def _as_wide_as_its_header(table: pd.DataFrame, shown: str) -> pd.DataFrame:
    """``table`` as it is, unless pandas took a column without a name for the rows' names.

    Then each value would stand under the name of the column before it.
    """
    import pandas as pd

    if not isinstance(table.index, pd.RangeIndex):
        raise bad_table(shown, "its rows have more cells than its header has names")
    return table


@contextmanager
def readable(shown: str) -> Iterator[None]:
    """What a file does that can't be read, as one sentence.

    Raises:
        MlopsError: ``bad_table``.
    """
    try:
        yield
    # pandas and pyarrow derive theirs from these; the others are of an archive that was cut off.
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise bad_table(shown, f"it can't be read ({str(error).splitlines()[0]})") from None


def bad_table(shown: str, problem: str) -> MlopsError:
    """The error for a table of a model's pipeline that can't be used."""
    return MlopsError("bad_table", f"{shown}: {problem}; mend the script that writes this file.")


def require_columns(table: pd.DataFrame, contract: ModelContract, shown: str) -> None:
    """Refuse a holdout without a column that the contract's evaluation needs, or with gaps there.

    A gap that is written as text is refused in any column, see `require_no_mark`.

    Raises:
        MlopsError: ``bad_table``.
    """
    rules = contract.evaluation
    needed = [*contract.input, *rules.columns()]
    absent = [name for name in dict.fromkeys(needed) if name not in table.columns]
    if absent:
        raise bad_table(shown, f"the column {absent[0]} is missing, which model.yaml names")
    for name in (rules.target, rules.unit, *rules.check_units, *rules.baselines.values()):
        rows = _rows_of(table[name].isna())
        if rows:
            raise bad_table(shown, f"the column {name} has no value in {rows_in_words(rows)}")
    require_no_mark(table, contract, rules.target, shown)


def require_no_mark(
    table: pd.DataFrame, contract: ModelContract, target: str | None, shown: str
) -> None:
    """Refuse missing values that were written as NA, in inputs or the target: it is read as text.

    Raises:
        MlopsError: ``bad_table``.
    """
    columns = dict(contract.input)
    if target is not None:
        columns[target] = contract.output[contract.answer]
    for name, rules in columns.items():
        if name not in table or MARK in (rules.categories or ()):
            continue
        rows = _rows_of(table[name] == MARK)
        if rows:
            value = f", or name {MARK} under its categories in model.yaml if it is a value"
            raise bad_table(
                shown,
                f"the column {name} is {MARK} in {rows_in_words(rows)}, as R writes what is "
                f'missing: leave it empty (na = ""){value if rules.type == "string" else ""}',
            )


def _rows_of(mask: pd.Series[bool]) -> list[int]:
    """The places where ``mask`` holds; it is unknown where pandas' nullable types have no value."""
    found: list[int] = mask.to_numpy(dtype=bool, na_value=False).nonzero()[0].tolist()
    return found


def rows_in_words(rows: Sequence[int]) -> str:
    """``row 4`` or ``17 rows, such as rows 4, 9 and 12``, counted from 1 below the header."""
    if len(rows) == 1:
        return f"row {rows[0] + 1}"
    first = [str(row + 1) for row in rows[:SHOWN_ROWS]]
    return f"{len(rows)} rows, such as rows {', '.join(first[:-1])} and {first[-1]}"


def values(column: pd.Series[Any], kind: str) -> list[Any]:
    """Python scalars of the contract type ``kind``, None where missing.

    Text that is no such value is left as text, for the contract's check to refuse.
    """
    plain = [None if gap else value for value, gap in zip(column, column.isna(), strict=True)]
    convert = {"number": _number, "integer": _number, "boolean": _boolean, "string": text}[kind]
    return [None if value is None else convert(value) for value in plain]


def text(value: Any) -> str:
    """``value`` as text; a whole float, as files with gaps store integers, without its ``.0``."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def numbers(column: pd.Series[Any], shown: str) -> list[float]:
    """Finite numbers.

    Raises:
        MlopsError: ``bad_table`` naming column and rows.
    """
    found = values(column, "number")
    rows = [index for index, value in enumerate(found) if not isinstance(value, float)]
    if rows:
        raise bad_table(shown, f"the column {column.name} is not a number in {rows_in_words(rows)}")
    return found


def _number(value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return number if math.isfinite(number) and "_" not in str(value) else str(value)


def _boolean(value: Any) -> Any:
    return BOOLEANS.get(str(value).lower(), value)
