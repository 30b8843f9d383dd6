"""Anyone's CSV or Parquet, read rightly or refused by name: for new datasets and batch scoring.

Rows come as `pyarrow.Table`s. Cells of CSV stay text in one plain form (``1234.5``, ``true``,
``2017-01-31``; missing is null), because a file can't know whether ``7`` is a number or a name:
give the columns their contract's types with `ci.dataset.values.as_type`. Parquet keeps its types,
reduced to int64, float64, bool and string (dates and times as ISO text).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from ci.dataset.dates import SAID
from ci.dataset.dialect import Dialect, find_dialect, open_bytes, refuse
from ci.dataset.forms import (
    AmbiguousNumbersError,
    ColumnForms,
    decimal_signs,
    plain_numbers,
    without_markers,
)
from ci.dataset.parquet import open_parquet
from ci.dataset.table_file import TableFile
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import pyarrow as pa

    Convert = Callable[[pa.Array], pa.Array]

BLOCK_BYTES = 4 << 20


def open_table(path: Path, verbatim: Collection[str] = ()) -> TableFile:
    """Find out how ``path`` is written; reads a CSV file through once, in bounded memory.

    The texts of the columns ``verbatim`` stay as they are written, whatever they look like.

    Raises:
        MlopsError: ``bad_table``: no file, empty, no rows, not what its name says, or written in
            a way that could mean two things.
    """
    if not path.is_file():
        raise MlopsError("bad_table", f"There is no file {path}; check the path.")
    if path.name.endswith((".csv", ".csv.gz", ".tsv", ".txt")):
        return _open_csv(path, verbatim)
    if path.suffix == ".parquet":
        return open_parquet(path)
    raise refuse(path, "its name must end in .csv, .csv.gz, .tsv, .txt or .parquet")


def read_table(path: Path) -> tuple[pa.Table, list[str]]:
    """The whole table, and the notes; what `open_table` raises."""
    import pyarrow as pa

    file = open_table(path)
    return pa.Table.from_batches(list(file.batches())), file.notes


def iter_tables(path: Path, rows_per_chunk: int) -> Iterator[pa.Table]:
    """The table ``rows_per_chunk`` rows at a time, in bounded memory; what `open_table` raises."""
    yield from open_table(path).tables(rows_per_chunk)


def _open_csv(path: Path, verbatim: Collection[str]) -> TableFile:
    dialect = find_dialect(path)
    forms, rows = _column_forms(path, dialect, verbatim)
    if rows == 0:
        raise refuse(path, "it has a header and no rows")
    try:
        signs = decimal_signs(forms, dialect.delimiter)
    except AmbiguousNumbersError as error:
        raise refuse(path, f"{error}; write numbers as 1234.5 and save it again") from None
    converts = [_convert(forms[name], signs.get(name)) for name in dialect.names]

    def batches() -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in _csv_batches(path, dialect):
            arrays = [c(a) for c, a in zip(converts, batch.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=dialect.names)

    notes = [*dialect.notes, *_form_notes(forms, signs)]
    dates = {name: column.kind for name, column in forms.items() if column.kind in SAID}
    return TableFile(path, dialect.names, rows, frozenset(signs), notes, batches, dates=dates)


def _column_forms(
    path: Path, dialect: Dialect, verbatim: Collection[str]
) -> tuple[dict[str, ColumnForms], int]:
    """What the texts of each column look like, and the number of rows."""
    forms = {name: ColumnForms(verbatim=name in verbatim) for name in dialect.names}
    rows = 0
    with ThreadPoolExecutor() as threads:
        for batch in _csv_batches(path, dialect):
            add = partial(_add_forms, forms, rows + 1)
            list(threads.map(add, dialect.names, batch.columns))
            rows += batch.num_rows
    return forms, rows


def _add_forms(forms: dict[str, ColumnForms], start: int, name: str, column: pa.Array) -> None:
    forms[name].add(column, start)


def _convert(forms: ColumnForms, sign: str | None) -> Convert:
    """How the texts of a column become their plain form."""

    def convert(texts: pa.Array) -> pa.Array:
        if forms.kind == "text":
            return texts
        if "marker" in forms.seen:
            texts = without_markers(texts)
        return plain_numbers(texts, sign) if sign else texts

    return convert


def _form_notes(forms: dict[str, ColumnForms], signs: dict[str, str]) -> list[str]:
    notes = []
    for name, column in forms.items():
        if signs.get(name) == "," and column.seen.keys() != {"integer"}:
            notes.append(f"Column {name} has decimal commas.")
        if "marker" in column.seen and column.kind != "text":
            notes.append(f"Column {name}: {column.seen['marker'][1]} was read as missing.")
        if column.kind in SAID:
            row, text = column.seen[column.kind]
            notes.append(f"Column {name}: {SAID[column.kind].format(text=text, row=row)}.")
        elif column.seen.keys() - {"marker"} in ({"either_first"}, {"short_date"}):
            text = column.seen[min(column.seen.keys() - {"marker"})][1]
            notes.append(
                f"Column {name} is text: {text} may be one of two days, and nothing in the column "
                "tells which; write such dates as 2017-01-31 where they matter."
            )
        elif column.kind == "text" and column.seen.keys() - {"text", "marker"}:
            row, text = column.seen.get("text") or next(iter(column.seen.values()))
            notes.append(
                f"Column {name} is text: it is of mixed kinds, such as {text!r} in row {row}."
            )
    return notes


def _csv_batches(path: Path, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Rows as text; what pyarrow would skip or repair is refused."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    ragged: list[pacsv.InvalidRow] = []

    def stop(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    names = dialect.names
    try:
        # Arrow's own file, whose blocks come from Arrow's memory and leave no holes in Python's.
        with open_bytes(path) if path.suffix == ".gz" else pa.OSFile(str(path)) as file:
            yield from pacsv.open_csv(
                file,
                read_options=pacsv.ReadOptions(
                    column_names=names,
                    skip_rows=dialect.skip_lines,
                    encoding=dialect.encoding,
                    block_size=BLOCK_BYTES,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=dialect.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=stop,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise refuse(path, _csv_problem(error, ragged)) from None


def _csv_problem(error: Exception, ragged: list[pa.csv.InvalidRow]) -> str:
    if not ragged:
        return str(error).splitlines()[0].rstrip(".")
    row = ragged[0]
    return (
        f"the row {row.text[:60]!r} has {row.actual_columns} cells where the header has "
        f"{row.expected_columns}; a cell with the delimiter in it needs quotes"
    )
