"""A dataset's own tables, a piece at a time: CSV as UTF-8 and commas, or Parquet."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

BLOCK_BYTES = 4 << 20
ROWS_PER_CHUNK = 250_000


class UnreadableTableError(Exception):
    """The file is not what its name says; the message says why."""


@dataclass
class Ragged:
    """Rows with more or fewer cells than the header."""

    rows: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count a row."""
        self.rows += 1
        if len(self.examples) < 3:
            self.examples.append(text)


def column_names(path: Path) -> list[str]:
    """The header of a table.

    Raises:
        UnreadableTableError: no file, no header, or a name twice.
    """
    names = _parquet_names(path) if path.suffix == ".parquet" else _csv_names(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableTableError(f"the column {twice[0]!r} is there twice")
    return names


def chunks(path: Path, ragged: Ragged) -> Iterator[pa.RecordBatch]:
    """The rows of a table in order; cells of CSV are text, an empty cell is null.

    Raises:
        UnreadableTableError: the file is no UTF-8 CSV, or no Parquet.
    """
    import pyarrow as pa

    try:
        yield from (_parquet_chunks(path) if path.suffix == ".parquet" else _csv(path, ragged))
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableTableError(str(error).splitlines()[0]) from None


def _parquet_names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableTableError(str(error).splitlines()[0]) from None


def _csv_names(path: Path) -> list[str]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            line = file.readline().decode("utf-8")
    except (OSError, EOFError) as error:
        raise UnreadableTableError(str(error)) from None
    except UnicodeDecodeError:
        raise UnreadableTableError("it is not UTF-8") from None
    if line.startswith("\ufeff"):
        raise UnreadableTableError("it begins with a byte-order mark")
    return next(csv.reader([line]), [])


def _csv(path: Path, ragged: Ragged) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv as pacsv

    def skip(row: pacsv.InvalidRow) -> str:
        ragged.add(row.text)
        return "skip"

    names = column_names(path)
    reader = pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=len(names) > 1, invalid_row_handler=skip
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    yield from reader


def _parquet_chunks(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(ROWS_PER_CHUNK)
