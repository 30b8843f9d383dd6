"""Anyone's CSV or Parquet, read rightly or refused by name: for new datasets and batch scoring.

Rows come as `pyarrow.Table`s. Cells of CSV stay text in one plain form (``1234.5``, ``true``,
``2017-01-31``; missing is null), because a file can't know whether ``7`` is a number or a name:
give the columns their contract's types with `ci.dataset.values.as_type`. Parquet keeps its types,
reduced to int64, float64, bool and string (dates and times as ISO text).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ci.dataset.dialect import Dialect, find_dialect, open_bytes, refuse
from ci.dataset.forms import (
    AmbiguousNumbersError,
    ColumnForms,
    decimal_signs,
    plain_numbers,
    without_markers,
)
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import pyarrow as pa

    Convert = Callable[[pa.Array], pa.Array]

BLOCK_BYTES = 4 << 20
READ_ROWS = 65_536


@dataclass(frozen=True)
class TableFile:
    """A file whose way of writing is known: ``notes`` say in sentences what was decided.

    ``numbers`` are the columns of CSV whose texts all are numbers.
    """

    path: Path
    columns: list[str]
    rows: int
    numbers: frozenset[str]
    notes: list[str]
    batches: Callable[[], Iterator[pa.RecordBatch]]

    def tables(self, rows_per_chunk: int) -> Iterator[pa.Table]:
        """The rows in order, ``rows_per_chunk`` at a time; the last piece may be shorter.

        Raises:
            MlopsError: ``bad_table``.
        """
        import pyarrow as pa

        waiting: list[pa.RecordBatch] = []
        held = 0
        for batch in self.batches():
            waiting.append(batch)
            held += batch.num_rows
            while held >= rows_per_chunk:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, rows_per_chunk)
                waiting = table.slice(rows_per_chunk).to_batches()
                held -= rows_per_chunk
        if held:
            yield pa.Table.from_batches(waiting)


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
        return _open_parquet(path)
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
    return TableFile(path, dialect.names, rows, frozenset(signs), notes, batches)


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
        if column.kind == "text" and column.seen.keys() - {"text", "marker"}:
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


def _open_parquet(path: Path) -> TableFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise refuse(path, f"it is no Parquet file ({str(error).splitlines()[0]})") from None
    names = list(schema.names)
    if rows == 0:
        raise refuse(path, "it has no rows")
    for name, kind in zip(names, schema.types, strict=True):
        if names.count(name) > 1:
            raise refuse(path, f"the column name {name!r} is there twice; rename one")
        if not _is_simple(kind):
            raise refuse(path, f"column {name} holds {kind}, not plain values; leave it out")

    def batches() -> Iterator[pa.RecordBatch]:
        # Page by page: by default a whole row group, which may be the whole file, is held.
        try:
            with pq.ParquetFile(path, buffer_size=BLOCK_BYTES, pre_buffer=False) as file:
                for batch in file.iter_batches(READ_ROWS):
                    columns = [_simple(column) for column in batch.columns]
                    yield pa.RecordBatch.from_arrays(columns, names=names)
        except (pa.ArrowException, OSError) as error:
            raise refuse(path, f"it is damaged ({str(error).splitlines()[0]})") from None

    return TableFile(path, names, rows, frozenset(), [], batches)


def _is_simple(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _is_simple(kind.value_type)
    return any(
        check(kind)
        for check in (
            *(types.is_integer, types.is_floating, types.is_boolean, types.is_string),
            *(types.is_large_string, types.is_timestamp, types.is_date, types.is_decimal),
            types.is_null,
        )
    )


def _simple(column: pa.Array) -> pa.Array:
    """As int64, float64, bool or string; NaN, which pandas writes for missing, as null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if types.is_integer(kind):
        return column.cast(pa.int64())
    if types.is_floating(kind) or types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False)
        return pc.if_else(pc.fill_null(pc.is_nan(numbers), False), None, numbers)
    if types.is_boolean(kind):
        return column
    if types.is_timestamp(kind):
        return _iso(column)
    texts = column.cast(pa.string())
    texts.validate(full=True)  # Parquet may hold texts that are not UTF-8
    return texts


def _iso(column: pa.Array) -> pa.Array:
    """Times as ISO text in UTC, as short as they are exact."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = column.cast(pa.timestamp("us"), safe=False)
    for unit, fmt in (("D", "%Y-%m-%d"), ("s", "%Y-%m-%d %H:%M:%S")):
        floor = pc.floor_temporal(plain, unit="day" if unit == "D" else "second")
        if pc.all(pc.equal(floor, plain)).as_py() is not False:
            return pc.strftime(plain.cast(pa.timestamp("s"), safe=False), format=fmt)
    return plain.cast(pa.string())
