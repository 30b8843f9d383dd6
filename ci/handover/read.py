"""Reads a handover that strangers made: every name, size and digest is checked, nothing is run."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ci.errors import MlopsError
from ci.handover.manifest import BENTO, FILES, HOLDOUT, MANIFEST, PREDICTIONS, Manifest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

CHUNK_BYTES = 1 << 20
SMALL_BYTES = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Limits:
    """The most bytes that a handover may hold: the zip, its Bento, each of its two tables."""

    zip_bytes: int = 2 << 30
    bento_bytes: int = 2 << 30
    table_bytes: int = 256 << 20
    unpacked_table_bytes: int = 512 << 20

    def of(self, name: str) -> int:
        """The most bytes of the file ``name``."""
        if name == BENTO:
            return self.bento_bytes
        return self.table_bytes if name in (HOLDOUT, PREDICTIONS) else SMALL_BYTES


@dataclass(frozen=True)
class Handover:
    """A checked handover: its manifest, and its files in ``folder`` under their own names."""

    manifest: Manifest
    folder: Path


LIMITS = Limits()


def read_handover(zip_path: Path, into: Path, limits: Limits = LIMITS) -> Handover:
    """Check the zip of a handover and write its files to the new folder ``into``.

    Raises:
        MlopsError: ``bad_handover`` with what is wrong; ``into`` then holds nothing to rely on.
    """
    if zip_path.stat().st_size > limits.zip_bytes:
        raise bad_handover(f"it is larger than {limits.zip_bytes:,} bytes")
    into.mkdir(parents=True)
    try:
        with zipfile.ZipFile(zip_path) as archive:
            members = _members(archive, limits)
            manifest = read_manifest(_manifest_bytes(archive, members))
            _check_names(manifest, members)
            for name in manifest.files:
                _extract(archive, members[name], into / name, manifest)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise bad_handover(f"it is not a whole zip file ({type(error).__name__})") from None
    return Handover(manifest, into)


def _members(archive: zipfile.ZipFile, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if name not in (MANIFEST, *FILES):
            raise bad_handover(f"it holds {name[:100]!r}, which is no file of a handover")
        if name in found:
            raise bad_handover(f"it holds {name} twice")
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or member.flag_bits & 1:
            raise bad_handover(f"{name} in it is a link, a device or encrypted")
        if member.compress_type not in METHODS:
            raise bad_handover(f"{name} in it is compressed in a way that is not allowed")
        if member.file_size > limits.of(name):
            raise bad_handover(f"{name} in it is larger than {limits.of(name):,} bytes")
        found[name] = member
    return found


def _manifest_bytes(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> bytes:
    if MANIFEST not in members:
        raise bad_handover(f"it has no {MANIFEST}")
    with archive.open(members[MANIFEST]) as file:
        return file.read(SMALL_BYTES + 1)


def read_manifest(content: bytes) -> Manifest:
    """The manifest in ``content``.

    Raises:
        MlopsError: ``bad_handover``.
    """
    try:
        data = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
        manifest = Manifest.model_validate(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise bad_handover(f"{MANIFEST}: {key[:200]}: {first['msg'][:200]}") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or not ours
        raise bad_handover(f"{MANIFEST} is not valid ({str(error)[:100]})") from None
    if not manifest.is_whole():
        raise bad_handover(f"{MANIFEST} names neither a whole candidate nor a failure")
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _check_names(manifest: Manifest, members: dict[str, zipfile.ZipInfo]) -> None:
    there, listed = set(members) - {MANIFEST}, set(manifest.files)
    if there != listed:
        name = sorted(there ^ listed)[0]
        where = "not listed in its manifest" if name in there else "listed and not there"
        raise bad_handover(f"the file {name[:100]!r} is {where}")


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, manifest: Manifest
) -> None:
    """Write one file and compare it with its digest; the declared size is never passed."""
    wanted = manifest.files[member.filename]
    digest, size = hashlib.sha256(), 0
    with archive.open(member) as source, target.open("xb") as file:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > wanted.bytes:
                break
            digest.update(chunk)
            file.write(chunk)
    if size != wanted.bytes or digest.hexdigest() != wanted.sha256:
        raise bad_handover(f"{member.filename} is not what its manifest says (size or digest)")


def _chunks(source: IO[bytes]) -> Any:
    return iter(lambda: source.read(CHUNK_BYTES), b"")


def bad_handover(problem: str) -> MlopsError:
    """The error for a handover that is refused."""
    return MlopsError("bad_handover", f"The handover is refused: {problem}.")
