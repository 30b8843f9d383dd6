"""What kind of file a model's file is, by its content first and its name second."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from ci.trust.pickles import is_pickle

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

Format = Literal["text", "npy", "parquet", "safetensors", "hdf5", "onnx", "zip", "gzip"]
CODE = Literal["pickle", "rds", "jls"]
Found = Format | CODE | Literal["unknown"]

HEAD_BYTES = 1 << 16
# More than this of a packed file is not unpacked to be looked at.
UNPACKED_BYTES = 1 << 28
PICKLE_NAMES = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle")
R_NAMES = (".rds", ".rda", ".rdata")
JULIA_NAMES = (".jls",)
# The first bytes of R's serialisation (binary, ASCII) and of its workspaces.
R_MAGIC = (b"X\n\x00\x00\x00", b"A\n2\n", b"A\n3\n", b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n")


def format_of(path: Path) -> Found:
    """The format of the file ``path``."""
    with path.open("rb") as file:
        return _format(file, path.name)


def members(path: Path) -> dict[str, bytes]:
    """The files packed in a zip, or the one in a gzip, as far as they are looked at.

    Raises:
        ValueError: it can't be unpacked, or holds more than is looked at.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        return {path.stem: _gunzipped(path.read_bytes())} if packed else _unzipped(path)
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it can't be unpacked ({type(error).__name__})") from None


def format_of_bytes(content: bytes, name: str) -> Found:
    """The same for a file inside another."""
    return _format(io.BytesIO(content), name)


def _format(file: IO[bytes], name: str) -> Found:
    head = file.read(HEAD_BYTES)
    by_name = _by_name(name)
    by_content = _by_content(head)
    if by_content == "gzip" and by_name in ("rds", "jls", "pickle"):
        return by_name
    if by_content in ("zip", "gzip"):
        return by_content
    if by_content == "npy" and _has_objects(head):
        return "pickle"
    file.seek(0)
    if by_content == "pickle" or by_name == "pickle" or is_pickle(file):
        return "pickle"
    if by_content or by_name:
        return by_content or by_name or "unknown"
    file.seek(0)
    if _is_text(file):
        return "text"
    return "onnx" if name.lower().endswith(".onnx") else "unknown"


def _by_name(name: str) -> CODE | None:
    suffix = PurePath(name.lower().removesuffix(".gz")).suffix
    if suffix in PICKLE_NAMES:
        return "pickle"
    if suffix in R_NAMES:
        return "rds"
    return "jls" if suffix in JULIA_NAMES else None


def _by_content(head: bytes) -> Found | None:
    begins: tuple[tuple[Found, tuple[bytes, ...]], ...] = (
        ("gzip", (b"\x1f\x8b",)),
        ("zip", (b"PK\x03\x04", b"PK\x05\x06")),
        ("npy", (b"\x93NUMPY",)),
        ("parquet", (b"PAR1",)),
        ("hdf5", (b"\x89HDF\r\n\x1a\n",)),
        ("rds", R_MAGIC),
        ("jls", (b"7JL",)),
        ("pickle", tuple(bytes([0x80, protocol]) for protocol in range(2, 6))),
    )
    for found, marks in begins:
        if head.startswith(marks):
            return found
    return "safetensors" if head[8:10] == b'{"' and not any(head[4:8]) else None


def _has_objects(head: bytes) -> bool:
    """Whether an array of NumPy holds Python's objects, which it keeps as a pickle."""
    described = head.partition(b"\n")[0]
    return b"|O" in described or b"'O'" in described


def _is_text(file: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(HEAD_BYTES):
            if b"\0" in chunk:
                return False
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _gunzipped(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        return _bounded(file, UNPACKED_BYTES)


def _unzipped(path: Path) -> dict[str, bytes]:
    found, room = {}, UNPACKED_BYTES
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as file:
                    found[member.filename] = _bounded(file, room)
                room -= len(found[member.filename])
    return found


def _bounded(file: IO[bytes] | gzip.GzipFile, room: int) -> bytes:
    content = file.read(room + 1)
    if len(content) > room:
        raise ValueError(f"unpacked it is larger than {UNPACKED_BYTES:,} bytes")
    return content
