"""A Bento as one file: the same Bento gives the same bytes, and a stranger's harms nothing."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from ci.errors import MlopsError

FILES_LIMIT = 10_000
BYTES_LIMIT = 2 << 30
# Python removes folders one inside the other: from some depth on it can't.
DEEPEST = 40


def pack(bento: Path, target: Path) -> None:
    """Write the files of the folder ``bento`` to the tar ``target``: no times, owners or links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(p for p in bento.rglob("*") if p.is_file()):
            entry = tarfile.TarInfo(path.relative_to(bento).as_posix())
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)


def unpack(archive: Path, folder: Path, limit_bytes: int = BYTES_LIMIT) -> None:
    """Write what ``archive`` holds to ``folder``, which must not exist: whole or not at all.

    Raises:
        MlopsError: ``bad_archive`` for anything but plain files below the folder, for a name
            twice, and for more than ``limit_bytes`` or ``FILES_LIMIT`` files.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (staging / "files").mkdir()
        _extract(archive, staging / "files", limit_bytes)
        (staging / "files").rename(folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _bad(archive, str(error)) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _extract(archive: Path, folder: Path, limit_bytes: int) -> None:
    room, files = limit_bytes, 0
    with tarfile.open(archive, "r:") as opened:
        for entry in opened:
            files, room = files + 1, room - entry.size
            problem = _problem(entry)
            if problem or files > FILES_LIMIT or room < 0:
                raise _bad(archive, problem or "it is larger than allowed")
            target = folder / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = opened.extractfile(entry)
            assert content is not None  # noqa: S101 (a regular file has content)
            with target.open("xb") as file:
                shutil.copyfileobj(content, file)


def _problem(entry: tarfile.TarInfo) -> str | None:
    name = PurePosixPath(entry.name)
    if not entry.isreg() or entry.issparse():
        return f"{entry.name!r} is no plain file"
    if name.is_absolute() or ".." in name.parts or name.as_posix() != entry.name:
        return f"{entry.name!r} is no plain path"
    if len(name.parts) > DEEPEST:
        return f"{entry.name[:60]!r}… lies in too many folders"
    if "\\" in entry.name or not entry.name.isprintable():
        return f"{entry.name!r} has characters that no file of ours has"
    return None


def _bad(archive: Path, why: str) -> MlopsError:
    return MlopsError("bad_archive", f"{archive.name} was not taken: {why}.")
