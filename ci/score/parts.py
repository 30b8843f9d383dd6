"""The folder of a job's finished parts: what a run that was killed leaves to the next one."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import file_digest, read_json, write_json
from ci.score.job import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDINGS = {"csv": ".csv", "csv.gz": ".csv.gz", "parquet": ".arrow"}
LOCK = "lock"


@dataclass(frozen=True)
class Part:
    """What is known of a finished part; ``path`` and ``bad_path`` are names in its folder.

    ``digest`` and ``bad_digest`` are SHA-256; the latter is None where no row was bad.
    """

    index: int
    rows: int
    written: int
    bad: int
    path: str
    digest: str
    bad_path: str | None
    bad_digest: str | None
    facts: dict[str, Any]
    top: list[Any]
    bottom: list[Any]


class Folder:
    """Parts of one plan. A part counts only once its record is written, and is checked again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def plan(self) -> Plan | None:
        """The plan whose parts lie here."""
        record = read_json(self.path / "plan.json")
        try:
            return Plan(**record) if record else None
        except TypeError:  # written by another version of the platform
            return None

    def begin(self, plan: Plan) -> None:
        """Keep what there is of ``plan``; drop what there is of any other."""
        if self.plan() != plan:
            for path in self.path.iterdir():
                if path.name != LOCK:
                    path.unlink()
            write_json(self.path / "plan.json", asdict(plan))

    def part(self, index: int) -> Part | None:
        """The finished part ``index``, or None where it is missing or damaged."""
        record = read_json(self.path / f"{index:06}.json")
        if record is None:
            return None
        try:
            part = Part(**record)
            whole = file_digest(self.path / part.path) == part.digest and (
                part.bad_path is None or file_digest(self.path / part.bad_path) == part.bad_digest
            )
        except (TypeError, OSError):
            return None
        return part if whole else None

    def finish(self, part: Part) -> Part:
        """Record a part whose files are written."""
        write_json(self.path / f"{part.index:06}.json", asdict(part))
        return part

    def remove(self) -> None:
        """Delete it all."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def held(folder: Path, target: Path) -> Iterator[Folder]:
    """The folder, which only one process has at a time.

    Raises:
        MlopsError: ``busy``.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it may have finished, and removed what was opened here.
            there = os.stat(folder / LOCK).st_ino == os.fstat(file.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            there = False
        if not there:
            raise MlopsError(
                "busy",
                f"Another `mlops score` is writing {target}; wait until it has ended, or stop it, "
                "and try again.",
            ) from None
        yield Folder(folder)


def forget_old(root: Path, seconds: float, now: float) -> None:
    """Delete folders below ``root`` whose job nobody has gone on with for ``seconds``."""
    for folder in root.glob("*/plan.json"):
        if now - folder.stat().st_mtime > seconds:
            shutil.rmtree(folder.parent, ignore_errors=True)


def sentence(error: OSError, target: Path) -> MlopsError:
    """What to do where a disk is full or a folder can't be written."""
    place = f" at {error.filename}" if error.filename else ""
    return MlopsError(
        "bad_output",
        f"{target} can't be written ({error.strerror or error}{place}); mend that and run the same "
        "command again, which goes on from the last finished part.",
    )
