"""The one place that chooses a reader by where a table is: a copy of it, as one file here."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ci.errors import MlopsError
from ci.storage import http, postgres, s3
from ci.storage.folder import join_tables, tables_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ci.contract.source import Source

STEM = "input"


class Fetched(NamedTuple):
    """A copy as one file; ``notes`` say how each of the several tables in it was read."""

    path: Path
    notes: list[str]


def shown(source: Source) -> str:
    """How reports and messages call it."""
    return str(source.folder or source.s3 or source.http or source.postgresql)


@contextmanager
def as_said_of(source: Source) -> Iterator[None]:
    """Let what is said of the copy that `fetch` made be said of its source."""
    try:
        yield
    except MlopsError as error:
        said = re.sub(rf"^{STEM}(\.csv|\.gz|\.parquet)+ ", f"{shown(source)} ", error.message)
        if said == error.message:
            raise
        raise MlopsError(error.code, said) from None


def fetch(source: Source, root: Path, target: Path, verbatim: Collection[str] = ()) -> Fetched:
    """Copy what ``source`` names into the folder ``target``; the file appears there once whole.

    Several tables become one Parquet file, in which the columns ``verbatim`` are as written.

    Raises:
        MlopsError: ``bad_source``, ``bad_table``, ``missing_driver``.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=target, prefix=".fetching-") as name:
            made, notes = _fetch(source, root, Path(name), verbatim)
            return Fetched(made.replace(target / made.name), notes)
    except OSError as error:
        raise MlopsError(
            "bad_source",
            f"{error.filename or shown(source)} could not be copied to {target} "
            f"({error.strerror or error}); put that right and run the same command again.",
        ) from None


def _fetch(source: Source, root: Path, work: Path, verbatim: Collection[str]) -> Fetched:
    joined = work / f"{STEM}.parquet"
    if source.postgresql is not None:
        postgres.read_query(source.postgresql, str(source.query), joined)
        return Fetched(joined, [])
    if source.http is not None:
        return Fetched(_named(http.download(source.http, work), work), [])
    if source.s3 is not None:
        paths = s3.download(source.s3, work)
    else:
        paths = tables_in(root / str(source.folder))
    marks = [_mark(path) for path in paths]
    if len(paths) > 1:
        made = Fetched(joined, join_tables(paths, joined, verbatim))
    else:
        made = Fetched(_named(paths[0], work), [])
    for path, mark in zip(paths, marks, strict=True):
        if path.exists() and _mark(path) != mark:
            raise MlopsError("bad_source", f"{path} was changed while it was read; try again.")
    return made


def _named(path: Path, work: Path) -> Path:
    """A copy under one name, since the name is part of what a run is known by."""
    ending = "".join(part for part in path.suffixes[-2:] if part in (".csv", ".gz", ".parquet"))
    made = work / f"{STEM}{ending}"
    shutil.copyfile(path, made)
    return made


def _mark(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
