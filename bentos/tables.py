"""Rows that come as a table: Arrow IPC, Parquet or CSV, held to the contract column by column."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from bentos.answers import RequestError
from bentos.columns import frame_of
from bentos.compressed import grown_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.frames import Frame
    from bentos.rows import Rules

ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW_FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
TABLES = (ARROW_STREAM, ARROW_FILE, PARQUET, CSV)
TITLES = {ARROW_STREAM: "Arrow IPC stream", ARROW_FILE: "Arrow IPC file", PARQUET: "Parquet file",
          CSV: "CSV file"}  # fmt: skip
# What a compressed body may grow to; the size of the body itself is the contract's.
MOST_BYTES = 64 << 20
OTHER_DELIMITER = (
    "its columns are separated by semicolons or tabs; send commas between them, and points in "
    "numbers"
)
TRUE, FALSE = ["true", "True", "TRUE", "1"], ["false", "False", "FALSE", "0"]


def table_frame(kind: str, body: bytes, columns: Mapping[str, Rules], most: int) -> Frame:
    """The frame of the table, its columns in the contract's order.

    ``kind`` is one of TABLES. Raises RequestError ``invalid_table`` or ``invalid_rows``, and
    RowsError.
    """
    import pyarrow as pa

    try:
        table = _read(kind, body, columns, most)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        text = f"The body can't be read as {TITLES[kind]}: {said}."
        raise RequestError("invalid_table", text) from None
    _check_shape(table, columns, most)
    there, nulls = set(table.schema.names), pa.nulls(table.num_rows)
    return frame_of({n: _array(table, n) if n in there else nulls for n in columns}, columns)


def _read(kind: str, body: bytes, columns: Mapping[str, Rules], most: int) -> Any:
    import pyarrow as pa

    if kind == CSV:
        return _read_csv(body, columns)
    if kind == PARQUET:
        return _read_parquet(body, most)
    stream = kind == ARROW_STREAM
    _check_size(grown_bytes(body, stream=stream))
    options = pa.ipc.IpcReadOptions(use_threads=False)
    if stream:
        batches = list(reader := pa.ipc.open_stream(body, options=options))
    else:
        reader = pa.ipc.open_file(body, options=options)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    for batch in batches:
        batch.validate(full=True)  # offsets and text come from outside
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches, reader.schema)


def _read_csv(body: bytes, columns: Mapping[str, Rules]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    header = body[: body.find(b"\n")] if b"\n" in body else body
    if b"," not in header and (b";" in header or b"\t" in header):
        raise ValueError(OTHER_DELIMITER)
    types = {"number": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_(),
             "string": pa.string()}  # fmt: skip
    convert = csv.ConvertOptions(
        column_types={name: types[rules["type"]] for name, rules in columns.items()},
        null_values=[""],
        strings_can_be_null=True,
        true_values=TRUE,
        false_values=FALSE,
    )
    return csv.read_csv(
        io.BytesIO(body.removeprefix(b"\xef\xbb\xbf")),
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


def _read_parquet(body: bytes, most: int) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    file = parquet.ParquetFile(pa.BufferReader(body))
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > most:
        raise _too_many(file.metadata.num_rows, most)
    _check_size(sum(group.total_byte_size for group in groups))
    return file.read(use_threads=False)


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"it becomes larger than {MOST_BYTES} bytes when it is decompressed")


def _check_shape(table: Any, columns: Mapping[str, Rules], most: int) -> None:
    names = table.schema.names
    if len(set(names)) < len(names):
        raise RequestError("invalid_rows", "The table has two columns of one name.")
    unknown = [name for name in names if name not in columns]
    if unknown:
        known = ", ".join(columns)
        text = f"{unknown[0][:80]!r} is no column of this model; its columns are {known}."
        raise RequestError("invalid_rows", text)
    if not table.num_rows:
        raise RequestError("invalid_rows", "The table has no rows; send at least one.")
    if table.num_rows > most:
        raise _too_many(table.num_rows, most)


def _too_many(rows: int, most: int) -> RequestError:
    text = f"There are {rows} rows; send at most {most} in one request."
    return RequestError("invalid_rows", text)


def _array(table: Any, name: str) -> Any:
    """The column as one array of plain values."""
    import pyarrow as pa

    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
