"""Rows that come as a table: Arrow IPC, Parquet or CSV, held to the contract column by column."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.answers import RequestError
from bentos.rows import MOST_PROBLEMS, RowProblem, RowsError, problem_of, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

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
COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")  # how zstd and LZ4 frames begin
TRUE, FALSE = ["true", "True", "TRUE", "1"], ["false", "False", "FALSE", "0"]


def columns_of(kind: str, body: bytes, columns: Mapping[str, Rules], most: int) -> dict[str, Any]:
    """The values of the table by column, in the contract's order: arrays, or lists with None.

    ``kind`` is one of TABLES. Raises RequestError ``invalid_table`` or ``invalid_rows``, and
    RowsError.
    """
    import pyarrow as pa

    try:
        table = _read(kind, body, columns, most)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        text = f"The body can't be read as {TITLES[kind]}: {' '.join(str(error).split())[:300]}"
        raise RequestError("invalid_table", text) from None
    _check_shape(table, columns, most)
    values = {name: _values(table, name, rules) for name, rules in columns.items()}
    problems = [p for name in columns for p in _problems(name, columns[name], values[name])]
    if problems:
        problems.sort(key=lambda each: each.index)
        raise RowsError(problems[:MOST_PROBLEMS])
    return {
        name: given if isinstance(given, np.ndarray) else tidy(columns[name], given)
        for name, given in values.items()
    }


def _read(kind: str, body: bytes, columns: Mapping[str, Rules], most: int) -> Any:
    import pyarrow as pa

    if kind == CSV:
        return _read_csv(body, columns)
    if kind == PARQUET:
        return _read_parquet(body, most)
    _check_growth(body)
    source = pa.BufferReader(body)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    opened = pa.ipc.open_stream if kind == ARROW_STREAM else pa.ipc.open_file
    table = opened(source, options=options).read_all()
    table.validate(full=True)  # offsets and text come from outside
    return table


def _read_csv(body: bytes, columns: Mapping[str, Rules]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

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


def _check_growth(body: bytes) -> None:
    """Refuse what its compressed buffers say to become: each has its size before it."""
    declared = 0
    for mark in COMPRESSED:
        place = body.find(mark, 8)
        while place >= 0:
            (size,) = struct.unpack_from("<q", body, place - 8)
            declared += size if 0 < size < 1 << 40 else 0
            place = body.find(mark, place + 1)
    _check_size(declared)


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"it becomes larger than {MOST_BYTES} bytes when it is decompressed")


def _check_shape(table: Any, columns: Mapping[str, Rules], most: int) -> None:
    if len(set(table.column_names)) < table.num_columns:
        raise RequestError("invalid_rows", "The table has two columns of one name.")
    unknown = [name for name in table.column_names if name not in columns]
    if unknown:
        names = ", ".join(columns)
        text = f"{unknown[0][:80]!r} is no column of this model; its columns are {names}."
        raise RequestError("invalid_rows", text)
    if not table.num_rows:
        raise RequestError("invalid_rows", "The table has no rows; send at least one.")
    if table.num_rows > most:
        raise _too_many(table.num_rows, most)


def _too_many(rows: int, most: int) -> RequestError:
    text = f"There are {rows} rows; send at most {most} in one request."
    return RequestError("invalid_rows", text)


def _values(table: Any, name: str, rules: Rules) -> Any:
    """The column as a float64 array where it is numbers without a missing one, else as a list."""
    import pyarrow as pa

    if name not in table.column_names:
        return [None] * table.num_rows
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    numbers = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if rules["type"] == "number" and numbers and not column.null_count:
        return column.to_numpy(zero_copy_only=False).astype(np.float64)
    return column.to_pylist()


def _problems(name: str, rules: Rules, values: Any) -> list[RowProblem]:
    if isinstance(values, np.ndarray):
        wrong = ~np.isfinite(values)
        if rules.get("minimum") is not None:
            wrong |= values < rules["minimum"]
        if rules.get("maximum") is not None:
            wrong |= values > rules["maximum"]
        places = np.flatnonzero(wrong)[:MOST_PROBLEMS].tolist()
        return [_problem(i, name, rules, float(values[i])) for i in places]
    found = ((i, problem_of(rules, value)) for i, value in enumerate(values))
    return [RowProblem(i, name, problem) for i, problem in found if problem][:MOST_PROBLEMS]


def _problem(index: int, name: str, rules: Rules, value: float) -> RowProblem:
    return RowProblem(index, name, problem_of(rules, value) or "must be a number")
