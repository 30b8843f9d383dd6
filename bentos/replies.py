"""Predictions as a caller wants them: JSON, or a table where the Accept header asks for one."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import orjson

from bentos.answers import Answer
from bentos.records import by_row
from bentos.tables import ARROW_STREAM, CSV, PARQUET, TABLES

if TYPE_CHECKING:
    from bentos.bundle import Bundle
    from bentos.frames import Column, Frame

JSON = "application/json"
MODEL_HEADER, VERSION_HEADER = "X-Model", "X-Model-Version"


@functools.lru_cache(maxsize=64)
def accepted(header: bytes) -> str:
    """One of TABLES where the Accept header prefers it, else JSON, which everybody can read."""
    best, weight = JSON, 0.0
    for part in header.decode("latin-1").lower().split(","):
        kind, *parameters = [each.strip() for each in part.split(";")]
        given = _weight(parameters)
        if kind in {*TABLES, JSON, "application/*", "*/*"} and given > weight:
            best, weight = kind if kind in TABLES else JSON, given
    return best


def _weight(parameters: list[str]) -> float:
    """The part's q; one that is no number is not wanted."""
    given = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0


class Replies:
    """The answers of one model's service."""

    def __init__(self, bundle: Bundle) -> None:
        self._tail = b',"model":%s,"version":%s}' % (
            orjson.dumps(bundle.name),
            orjson.dumps(bundle.version),
        )
        version = "candidate" if bundle.version is None else str(bundle.version)
        self._named = {MODEL_HEADER: bundle.name, VERSION_HEADER: version}
        self._headers = tuple((k.lower().encode(), v.encode()) for k, v in self._named.items())

    def reply(self, predictions: Frame, kind: str) -> Answer:
        """The predictions as ``kind``, JSON or one of TABLES."""
        if kind == JSON:
            return Answer(200, b'{"predictions":' + _json(predictions) + self._tail)
        return Answer(200, _table(kind, predictions), kind.encode(), self._headers)


def _json(predictions: Frame) -> bytes:
    """A value a row, or an object where the contract has several outputs."""
    columns = predictions.columns
    column = next(iter(columns.values()))
    if len(columns) > 1 or column.kind == "utf8":
        return orjson.dumps(by_row(predictions))
    return orjson.dumps(column.values, option=orjson.OPT_SERIALIZE_NUMPY)


def _table(kind: str, predictions: Frame) -> bytes:
    import pyarrow as pa

    names = list(predictions.columns)
    arrays = [_array(column) for column in predictions.columns.values()]
    batch = pa.RecordBatch.from_arrays(arrays, names)
    sink = io.BytesIO()
    if kind == CSV:
        from pyarrow import csv

        csv.write_csv(batch, sink, csv.WriteOptions(quoting_style="needed"))
    elif kind == PARQUET:
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_batches([batch]), sink)
    else:
        new = pa.ipc.new_stream if kind == ARROW_STREAM else pa.ipc.new_file
        with new(sink, batch.schema) as writer:
            writer.write_batch(batch)
    return sink.getvalue()


def _array(column: Column) -> Any:
    """The values, of which none is missing."""
    import pyarrow as pa

    return pa.array(column.values, pa.string() if column.kind == "utf8" else None)
