"""Scored rows as they lie in the output: CSV text, or Arrow record batches for Parquet."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from bentos.frames import Frame
    from ci.contract.columns import Column

KINDS = {".csv": "csv", ".csv.gz": "csv.gz", ".parquet": "parquet"}
GZIP_LEVEL = 4
GZIP_WINDOW = 31  # zlib's way of saying: with gzip's header, which then holds no time


def kind_of(target: Path) -> str | None:
    """``csv``, ``csv.gz`` or ``parquet`` by the file's name; None for any other."""
    return next((kind for ending, kind in KINDS.items() if target.name.endswith(ending)), None)


def with_predictions(
    table: pa.Table, inputs: Mapping[str, Any], outputs: Mapping[str, Column], answer: Frame
) -> pa.Table:
    """The rows with their predictions; ``inputs`` replace the table's own columns."""
    import pyarrow as pa

    arrow = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
    for name, values in inputs.items():
        table = table.set_column(table.column_names.index(name), name, values)
    for name, column in outputs.items():
        values = pa.array(answer.columns[name].values, arrow.get(column.type, pa.string()))
        table = table.append_column(name, values)
    return table


def typed_inputs(inputs: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    """The inputs as Parquet keeps them: integers as int64, whatever they were."""
    return {
        name: values.cast("int64") if columns[name].type == "integer" else values
        for name, values in inputs.items()
    }


def gzipped(data: bytes) -> bytes:
    """One gzip member, the same for the same data; members may follow one another in a file."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return packer.compress(data) + packer.flush()
