"""A folder whose tables are one: which files count, and their rows in one Parquet file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ci.contract.base import TABLE_SUFFIXES
from ci.dataset.parquet import FILES_KEY
from ci.dataset.tabular import open_table
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ci.dataset.table_file import TableFile

ROWS_A_GROUP = 100_000
SHOWN_FILES = 3
# What programs leave in a shared folder, and nobody means as data.
LEFT_BEHIND = ("thumbs.db", "desktop.ini")


def is_left_behind(name: str) -> bool:
    """Whether a file is hidden, a lock of an open program, or the like."""
    return name.startswith((".", "_", "~")) or name.lower() in LEFT_BEHIND


def require_tables(names: Sequence[str], place: str) -> list[str]:
    """The names of the tables among the files ``names`` of ``place``, in order.

    Raises:
        MlopsError: ``bad_source``: none, or a file that is none, whose rows would be lost silently.
    """
    wanted = sorted(name for name in names if not is_left_behind(name))
    for name in wanted:
        if not name.endswith(TABLE_SUFFIXES):
            raise MlopsError(
                "bad_source",
                f"{place}: {name} is no table; save it as .csv, .csv.gz or .parquet, or put it "
                "elsewhere, and try again.",
            )
    if not wanted:
        raise MlopsError("bad_source", f"There is no table in {place}; check the place.")
    return wanted


def tables_in(folder: Path) -> list[Path]:
    """The tables that lie in ``folder`` itself, in the order of their names.

    Raises:
        MlopsError: ``bad_source``.
    """
    try:
        names = [path.name for path in folder.iterdir() if not path.is_dir()]
    except OSError as error:
        raise MlopsError(
            "bad_source",
            f"The folder {folder} can't be read ({error.strerror}); bring it back, or correct the "
            "contract, and try again.",
        ) from None
    return [folder / name for name in require_tables(names, str(folder))]


def join_tables(paths: Sequence[Path], target: Path, verbatim: Collection[str] = ()) -> list[str]:
    """Write the rows of all ``paths`` to the Parquet file ``target``, in order; returns the notes.

    Columns go by name, in the order of the first file. Cells of CSV are texts, as they are read.

    Raises:
        MlopsError: ``bad_table``: a file that can't be read, or has other columns.
    """
    import pyarrow.parquet as pq

    files = [open_table(path, verbatim) for path in paths]
    joined = json.dumps([(file.path.name, file.rows) for file in files])
    schema = _schema(files).with_metadata({FILES_KEY: joined})
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for file in files:
            for table in file.tables(ROWS_A_GROUP):
                writer.write_table(_as(table, schema))
    return _notes(files)


def _notes(files: Sequence[TableFile]) -> list[str]:
    """What was noted of any file, once, with the files that it was noted of."""
    of: dict[str, list[str]] = {}
    for file in files:
        for note in file.notes:
            of.setdefault(note, []).append(file.path.name)
    return [f"{_named(names, len(files))}: {note}" for note, names in of.items()]


def _named(names: Sequence[str], all_of_them: int) -> str:
    if len(names) == all_of_them:
        return f"All {all_of_them} files"
    more = len(names) - SHOWN_FILES
    return ", ".join(names[:SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")


def _schema(files: Sequence[TableFile]) -> pa.Schema:
    import pyarrow as pa

    first, *others = files
    kinds = _kinds(first)
    for file in others:
        odd = sorted(set(first.columns) ^ set(file.columns))
        if odd:
            has, lacks = (first, file) if odd[0] in first.columns else (file, first)
            raise MlopsError(
                "bad_table",
                f"{lacks.path}: the column {odd[0]} is missing, which {has.path.name} has; the "
                "tables of a folder need the same columns.",
            )
        for name, kind in _kinds(file).items():
            kinds[name] = _common(kinds[name], kind)
    return pa.schema([(name, kinds[name]) for name in first.columns])


def _kinds(file: TableFile) -> dict[str, Any]:
    batches: Iterator[pa.RecordBatch] = file.batches()
    schema = next(batches).schema
    return dict(zip(schema.names, schema.types, strict=True))


def _common(one: Any, other: Any) -> Any:
    import pyarrow as pa

    if one == other:
        return one
    numbers = {pa.int64(), pa.float64()}
    return pa.float64() if {one, other} <= numbers else pa.string()


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema)
