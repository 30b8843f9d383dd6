"""Frames as bytes.

Little-endian:

    uint32 columns, uint32 rows, then for each column
      uint8 kind (1 float64, 2 int32, 3 bool, 4 utf8), uint8 1 if a missing mask follows
      uint16 bytes of the name, the name in UTF-8
      the mask, if any: one byte a row, 1 = missing
      the values: 8, 4 or 1 bytes a row; utf8: uint32 bytes of each text, then all texts joined

The lowest int32 and the character NUL are refused, since R can hold neither.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.frames.frame import (
    DTYPES,
    FILLERS,
    LOWEST_INT32,
    Array,
    Column,
    Frame,
    FrameError,
    Kind,
    Mask,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FRAME_BYTES = 1 << 28

CODES: Mapping[Kind, int] = {"float64": 1, "int32": 2, "bool": 3, "utf8": 4}
KINDS: Mapping[int, Kind] = {code: kind for kind, code in CODES.items()}

_FRAME_HEAD = struct.Struct("<II")
_COLUMN_HEAD = struct.Struct("<BBH")


def encode(frame: Frame) -> bytes:
    """The frame as bytes; raises FrameError for what cannot be represented."""
    parts = [frame_head(len(frame.columns), frame.rows)]
    for name, column in frame.columns.items():
        parts.extend(_encode_column(name, column))
    return joined(parts)


def frame_head(columns: int, rows: int) -> bytes:
    """The first bytes of a frame."""
    return _FRAME_HEAD.pack(columns, rows)


def column_head(name: str, kind: Kind, has_mask: bool) -> bytes:
    """The first bytes of a column; raises FrameError for a name that cannot be sent."""
    label = _encode_text(name, name)
    if len(label) > 0xFFFF:
        raise FrameError(f"the column name {name[:40]!r}… is too long")
    return _COLUMN_HEAD.pack(CODES[kind], has_mask, len(label)) + label


def joined(parts: list[bytes]) -> bytes:
    """The whole frame; raises FrameError where it is too large."""
    if sum(map(len, parts)) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame may hold {MAX_FRAME_BYTES} bytes; send fewer rows at a time")
    return b"".join(parts)


def _encode_column(name: str, column: Column) -> list[bytes]:
    parts = [column_head(name, column.kind, column.missing is not None)]
    if column.missing is not None:
        if column.missing.shape != column.values.shape:
            raise FrameError(f"column '{name}': the missing mask has another length")
        parts.append(column.missing.astype(np.bool_).tobytes())
    if column.kind == "utf8":
        return parts + _encode_texts(name, column)
    values = np.asarray(column.values, DTYPES[column.kind])
    if column.missing is not None and column.missing.any():
        values = np.where(column.missing, DTYPES[column.kind].type(FILLERS[column.kind]), values)
    if column.kind == "int32" and (values == LOWEST_INT32).any():
        raise FrameError(f"column '{name}' holds {LOWEST_INT32}, which R cannot represent")
    parts.append(values.tobytes())
    return parts


def _encode_texts(name: str, column: Column) -> list[bytes]:
    texts = ["" if value is None else value for value in column.to_list()]
    encoded = [_encode_text(text, name) for text in texts]
    lengths = np.fromiter(map(len, encoded), np.dtype("<u4"), len(encoded))
    return [lengths.tobytes(), b"".join(encoded)]


def _encode_text(text: Any, name: str) -> bytes:
    if not isinstance(text, str):
        raise FrameError(f"column '{name}' holds {text!r:.80}, which is no text")
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise FrameError(f"column '{name}' holds text that is not valid Unicode") from error
    if b"\0" in encoded:
        raise FrameError(f"column '{name}' holds the character NUL, which R cannot represent")
    return encoded


def decode(data: bytes | bytearray | memoryview) -> Frame:
    """The frame in `data`, with arrays of its own; raises FrameError unless all of it fits.

    Memory is bounded by the length of `data`: a size that it declares is checked before use.
    """
    reader = _Reader(data)
    width, rows = _FRAME_HEAD.unpack(reader.take(_FRAME_HEAD.size))
    if rows and not width:
        raise FrameError("the frame declares rows but no columns")
    columns: dict[str, Column] = {}
    for _ in range(width):
        name, column = _decode_column(reader, rows)
        if name in columns:
            raise FrameError(f"the frame holds the column '{name}' twice")
        columns[name] = column
    if reader.left:
        raise FrameError(f"the frame is followed by {reader.left} stray bytes")
    return Frame(columns)


class _Reader:
    """Takes bytes off a buffer and refuses to read past its end."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise FrameError(f"the frame ends early: {size} bytes wanted, {self.left} left")
        start = self._position
        self._position += size
        return self._data[start : self._position]

    def array(self, dtype: np.dtype[Any], count: int) -> Array:
        return np.frombuffer(self.take(dtype.itemsize * count), dtype).copy()

    def flags(self, count: int) -> Mask:
        flags = self.array(np.dtype("u1"), count)
        if (flags > 1).any():
            raise FrameError("the frame holds a flag that is neither 0 nor 1")
        return flags.view(np.bool_)


def _decode_column(reader: _Reader, rows: int) -> tuple[str, Column]:
    code, has_mask, name_bytes = _COLUMN_HEAD.unpack(reader.take(_COLUMN_HEAD.size))
    if code not in KINDS or has_mask > 1:
        raise FrameError(f"the frame holds a column of unknown kind {code}, mask {has_mask}")
    kind = KINDS[code]
    name = _decode_text(reader.take(name_bytes))
    missing = reader.flags(rows) if has_mask else None
    return name, Column(kind, _decode_values(reader, kind, rows), missing)


def _decode_values(reader: _Reader, kind: Kind, rows: int) -> Array:
    if kind == "utf8":
        return _decode_texts(reader, rows)
    if kind == "bool":
        return reader.flags(rows)
    return reader.array(DTYPES[kind], rows)


def _decode_texts(reader: _Reader, rows: int) -> Array:
    ends = np.cumsum(reader.array(np.dtype("<u4"), rows), dtype=np.uint64).tolist()
    blob = bytes(reader.take(ends[-1] if ends else 0))
    starts = [0, *ends[:-1]]
    texts: list[str]
    if blob.isascii():
        joined = blob.decode("ascii")
        texts = [joined[a:b] for a, b in zip(starts, ends, strict=False)]
    else:
        texts = [_decode_text(blob[a:b]) for a, b in zip(starts, ends, strict=False)]
    return np.array(texts, dtype=object)


def _decode_text(data: bytes | memoryview) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise FrameError("the frame holds text that is not valid UTF-8") from error
