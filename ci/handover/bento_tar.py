"""A Bento as one tar file: the same Bento gives the same bytes, and reading one trusts nothing."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 20_000
MOST_BYTES = 4 << 30
LONGEST_NAME = 500


def pack(bento: Path, target: Path) -> None:
    """Write the files of the folder ``bento`` to the tar ``target``, in order and without times."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(bento.rglob("*"), key=lambda path: path.relative_to(bento).as_posix()):
            if path.is_file():
                member = tarfile.TarInfo(path.relative_to(bento).as_posix())
                member.size = path.stat().st_size
                member.mode = 0o644
                with path.open("rb") as content:
                    tar.addfile(member, content)


def unpack(tar_path: Path, into: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write the files of a tar from a stranger below the new folder ``into``.

    Raises:
        MlopsError: ``bad_bento`` for links, devices, names that lead elsewhere or come twice, too
            many or too large files, and what is no tar; ``into`` is then gone.
    """
    into.mkdir(parents=True)
    try:
        with tarfile.open(tar_path, "r:") as tar:
            _write(tar, into, most_bytes)
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError) as error:
        shutil.rmtree(into)
        raise _bad(f"it is not a whole tar file ({type(error).__name__})") from None
    except MlopsError:
        shutil.rmtree(into)
        raise


def _write(tar: tarfile.TarFile, into: Path, most_bytes: int) -> None:
    seen: set[str] = set()
    room = most_bytes
    for member in _plain_files(tar):
        name = str(PurePosixPath(member.name))
        if name.casefold() in seen:
            raise _bad(f"the name {name!r} is in it twice")
        seen.add(name.casefold())
        room -= member.size
        if len(seen) > MOST_FILES or room < 0:
            raise _bad(f"it holds more than {MOST_FILES:,} files or {most_bytes:,} bytes")
        content = tar.extractfile(member)
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20) if content else None
        if target.stat().st_size != member.size:
            raise _bad(f"the file {name!r} is cut off")


def _plain_files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        if member.isdir():
            continue
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise _bad(f"{member.name[:100]!r} is not a plain file")
        if not _stays_inside(member.name):
            raise _bad(f"the name {member.name[:100]!r} leads out of its folder")
        yield member


def _stays_inside(name: str) -> bool:
    parts = name.split("/")
    unsafe = any(part in ("", ".", "..") for part in parts)
    return not unsafe and name.isprintable() and "\\" not in name and len(name) <= LONGEST_NAME


def _bad(problem: str) -> MlopsError:
    return MlopsError("bad_bento", f"The Bento in the handover is refused: {problem}.")
