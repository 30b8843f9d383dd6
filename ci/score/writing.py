"""The files of one part, and the joining of all parts to the output."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Self

from ci.errors import MlopsError
from ci.files import file_digest
from ci.score.csv_lines import header, lines
from ci.score.facts import best, facts_of
from ci.score.parts import ENDINGS, Folder, Part
from ci.score.render import gzipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bentos.frames import Frame
    from ci.score.check import BadRows
    from ci.score.job import Plan
    from ci.score.piece import Done

BLOCK_BYTES = 1 << 20
QUARANTINE_COLUMNS = ("row_in_input", "problem")

Source = tuple[Folder, Part]


class PartWriter:
    """Writes the pieces of one part as they come."""

    def __init__(self, folder: Folder, plan: Plan, index: int) -> None:
        self._folder, self._plan, self._index = folder.path, plan, index
        self._path = f"{index:06}{ENDINGS[plan.kind]}"
        self._bad_path = f"{index:06}.bad.csv"
        self._file: Any = None
        self._bad_file: Any = None
        self._arrow: Any = None
        self._answers: list[Frame] = []
        self._rows = self._bad = 0
        self._top: list[Any] = []
        self._bottom: list[Any] = []

    def __enter__(self) -> Self:
        self._file = (self._folder / self._path).open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._arrow, self._bad_file, self._file):
            if file is not None:
                file.close()

    def add(self, piece: Done) -> None:
        """Append a piece."""
        self._rows += piece.rows
        self._answers.append(piece.answer)
        self._top = best([*self._top, *piece.top], highest=True)
        self._bottom = best([*self._bottom, *piece.bottom], highest=False)
        if self._plan.kind == "parquet":
            self._add_table(piece.body)
        else:
            self._file.write(piece.body)
        if piece.bad is not None:
            self._add_bad(piece.bad)

    def part(self) -> Part:
        """What was written; once the writer is closed."""
        return Part(
            index=self._index,
            rows=self._rows,
            written=sum(answer.rows for answer in self._answers),
            bad=self._bad,
            path=self._path,
            digest=file_digest(self._folder / self._path),
            bad_path=self._bad_path if self._bad else None,
            bad_digest=file_digest(self._folder / self._bad_path) if self._bad else None,
            facts=facts_of(self._plan.rules(), self._answers),
            top=self._top,
            bottom=self._bottom,
        )

    def _add_table(self, table: Any) -> None:
        import pyarrow as pa

        if self._arrow is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._arrow = pa.ipc.new_stream(self._file, table.schema, options=options)
        self._arrow.write_table(table)

    def _add_bad(self, bad: BadRows) -> None:
        import pyarrow as pa

        if self._bad_file is None:
            self._bad_file = (self._folder / self._bad_path).open("wb")
        number, problem = QUARANTINE_COLUMNS
        table = bad.table.add_column(0, problem, pa.array(bad.reasons, pa.string()))
        self._bad_file.write(lines(table.add_column(0, number, pa.array(bad.numbers))))
        self._bad += len(bad.numbers)


def quarantine_path(target: Path) -> Path:
    """Where the rows that break the contract lie: beside the output."""
    stem = target.name.removesuffix(".gz").rpartition(".")[0]
    return target.with_name(f"{stem}.quarantine.csv")


def join(sources: Sequence[Source], plan: Plan, target: Path) -> None:
    """Make ``target`` and its quarantine file of all parts, in order, each whole or not at all.

    Raises:
        MlopsError: ``damaged_part``.
        OSError: where they can't be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    names = [*plan.columns, *plan.rules().output]
    bad = [source for source in sources if source[1].bad_path]
    bad_target = quarantine_path(target)
    part, bad_part = (path.with_name(f".{path.name}.part") for path in (target, bad_target))
    try:
        if plan.kind == "parquet":
            _join_parquet(sources, part)
        else:
            first = header(names)
            _join_bytes(part, gzipped(first) if plan.kind == "csv.gz" else first, sources, False)
        if bad:
            _join_bytes(bad_part, header([*QUARANTINE_COLUMNS, *plan.columns]), bad, True)
            bad_part.replace(bad_target)
        else:
            bad_target.unlink(missing_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        bad_part.unlink(missing_ok=True)


def _join_bytes(path: Path, header: bytes, sources: Sequence[Source], bad: bool) -> None:
    with path.open("wb") as file:
        file.write(header)
        for folder, part in sources:
            name, digest = (part.bad_path, part.bad_digest) if bad else (part.path, part.digest)
            found = hashlib.sha256()
            for block in _blocks(folder.path / str(name)):
                found.update(block)
                file.write(block)
            if found.hexdigest() != digest:
                raise _damaged(folder, str(name))
        _settle(file)


def _join_parquet(sources: Sequence[Source], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    with path.open("wb") as file:
        try:
            for folder, part in sources:
                if file_digest(folder.path / part.path) != part.digest:
                    raise _damaged(folder, part.path)
                with pa.ipc.open_stream(folder.path / part.path) as stream:
                    writer = writer or pq.ParquetWriter(file, stream.schema)
                    writer.write_table(stream.read_all())
        finally:
            if writer is not None:
                writer.close()
        _settle(file)


def _settle(file: Any) -> None:
    """On the disk before it gets its name, so that a power cut leaves no empty output."""
    file.flush()
    os.fsync(file.fileno())


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _damaged(folder: Folder, name: str) -> MlopsError:
    return MlopsError(
        "damaged_part",
        f"{folder.path / name} is not what was written there; delete that folder and score again.",
    )
