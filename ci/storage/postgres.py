"""PostgreSQL by its Arrow driver: rows stream out of a query and into a table, in bounded memory.

Who connects, and with what password, is libpq's own business: `PGUSER`, `PGPASSWORD`, `~/.pgpass`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    import pyarrow as pa

RUN_COLUMNS = ("run_key", "run_model", "run_day", "run_version")
GROUP_ROWS = 100_000


@dataclass(frozen=True)
class Run:
    """Whose rows they are: a table holds those of one run of a model for a day."""

    key: str
    model: str
    day: date
    version: int


def read_query(address: str, query: str, target: Path) -> None:
    """Write the rows of ``query`` to the Parquet file ``target``.

    Raises:
        MlopsError: ``bad_source``: refused, unreachable, or gone in the middle; ``missing_driver``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _cursor(address, "bad_source") as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(query)
        reader = cursor.fetch_record_batch()
        schema = pa.schema([(each.name, _plain(each.type)) for each in reader.schema])
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(_stored(batch, schema), GROUP_ROWS)


def _plain(kind: Any) -> Any:
    """NUMERIC and other types that Arrow has no name for come as texts."""
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _stored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [a.storage if isinstance(a, pa.ExtensionArray) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def load(address: str, table: str, reader: pa.RecordBatchReader, rows: int, run: Run) -> bool:
    """Add the ``rows`` rows of ``reader`` to ``table``, all of them or none; false if there before.

    Rows of an earlier run for the same day give way to them. Both is one transaction, so that
    nobody ever sees a part of it, and a run that is killed leaves nothing.

    Raises:
        MlopsError: ``delivery_failed``, ``missing_driver``.
    """
    schema, _, name = table.rpartition(".")
    place = f'"{schema}"."{name}"' if schema else f'"{name}"'
    with _cursor(address, "delivery_failed") as cursor:
        # One run at a time, also before the table is there to be locked.
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('mlops {table}'))").fetchall()
        there = _one(cursor, "SELECT to_regclass($1)::text", place)
        if there is not None:
            if rows and _count(cursor, place, run.key) == rows:
                return False
            older = f"DELETE FROM {place} WHERE run_model = $1 AND run_day = $2"  # noqa: S608
            cursor.execute(older, (run.model, run.day))
        if not rows:
            return True
        cursor.adbc_ingest(
            name, _marked(reader, run), mode="create_append", db_schema_name=schema or None
        )
        index = f'"{name[:40]}_run"'
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {place} (run_model, run_day)")
        found = _count(cursor, place, run.key)
        if found != rows:
            raise MlopsError(
                "delivery_failed",
                f"{table}: {found:,} of {rows:,} rows arrived, so that none was kept; run the same "
                "command again.",
            )
        return True


def _count(cursor: Any, place: str, key: str) -> int:
    return int(_one(cursor, f"SELECT count(*) FROM {place} WHERE run_key = $1", key))  # noqa: S608


def _one(cursor: Any, query: str, value: str) -> Any:
    return cursor.execute(query, (value,)).fetchone()[0]


def _marked(reader: pa.RecordBatchReader, run: Run) -> pa.RecordBatchReader:
    """The same rows, each with the run that it is of."""
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.date32(), pa.int32())
    fields = [pa.field(*pair) for pair in zip(RUN_COLUMNS, kinds, strict=True)]
    schema = pa.schema([*fields, *reader.schema])

    def batches() -> Iterator[pa.RecordBatch]:
        values = (run.key, run.model, run.day, run.version)
        for batch in reader:
            marks = [
                pa.repeat(pa.scalar(value, kind), batch.num_rows)
                for value, kind in zip(values, kinds, strict=True)
            ]
            yield pa.RecordBatch.from_arrays([*marks, *batch.columns], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


@contextmanager
def _cursor(address: str, code: str) -> Iterator[Any]:
    """A cursor in a transaction, which ends well with the block and is undone where it fails."""
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise MlopsError(
            "missing_driver",
            "PostgreSQL needs its driver, which is in a lock of its own: "
            "`python -m ci.setup --lock batch` installs it.",
        ) from None
    try:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            yield cursor
            connection.commit()
    except Error as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise MlopsError(
            code,
            f"{address}: PostgreSQL refused or could not be reached ({said}); nothing was changed "
            "there; put that right and run the same command again.",
        ) from None
