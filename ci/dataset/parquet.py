"""Parquet, with its types reduced to those of a contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ci.dataset.dialect import refuse
from ci.dataset.table_file import TableFile
from ci.dataset.values import iso

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

# What is read at a time; the file's own row groups may each be the whole file.
BUFFER_BYTES = 4 << 20
READ_ROWS = 65_536
# In the metadata of a Parquet file that was joined from several: their names and rows.
FILES_KEY = b"kronkers.files"


def open_parquet(path: Path) -> TableFile:
    """The rows of ``path`` as int64, float64, bool and string, dates and times as ISO text.

    Raises:
        MlopsError: ``bad_table``: no Parquet, no rows, or columns that are not of plain values.
    """
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
            with pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
                for batch in file.iter_batches(READ_ROWS):
                    columns = [_simple(column) for column in batch.columns]
                    yield pa.RecordBatch.from_arrays(columns, names=names)
        except (pa.ArrowException, OSError) as error:
            raise refuse(path, f"it is damaged ({str(error).splitlines()[0]})") from None

    files = json.loads((schema.metadata or {}).get(FILES_KEY, b"[]"))
    joined = tuple((str(name), int(count)) for name, count in files)
    return TableFile(path, names, rows, frozenset(), [], batches, joined)


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
        return iso(column)
    texts = column.cast(pa.string())
    texts.validate(full=True)  # Parquet may hold texts that are not UTF-8
    return texts
