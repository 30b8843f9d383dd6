"""Frames as bytes.

Little-endian:

    uint32 columns, uint32 rows, uint32 bytes of the schema
    the schema, for each column
      uint8 kind (1 float64, 2 int32, 3 bool, 4 utf8), uint8 1 if it has a missing mask
      uint16 bytes of the name, the name in UTF-8
    the masks of those that have one: one byte a row, 1 = missing
    the values of all float64 columns, then of all int32, bool and utf8 columns: 8, 4 or 1 bytes
      a row; utf8: uint32 bytes of each text, then all texts joined

A model's schema is the same from call to call, so that both sides read it once; values of one
kind are one block, since reading each column alone costs R and pandas more than the call.
The lowest int32 and the character NUL are refused, since R can hold neither.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

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

_FRAME_HEAD = struct.Struct("<III")
_COLUMN_HEAD = struct.Struct("<BBH")


class _Label(NamedTuple):
    """A column as the schema has it."""

    name: str
    kind: Kind
    masked: bool


class _Schema(NamedTuple):
    """The columns of a frame, those that have a mask, and the names of each kind's block."""

    labels: list[_Label]
    masked: list[str]
    blocks: dict[Kind, list[str]]


def encode(frame: Frame) -> bytes:
    """The frame as bytes; raises FrameError for what cannot be represented."""
    columns = frame.columns
    labels = tuple([(n, c.kind, c.missing is not None) for n, c in columns.items()])
    parts = frame_start(labels, frame.rows)
    parts += [_encode_mask(n, c) for n, c in columns.items() if c.missing is not None]
    for kind in CODES:
        for name, column in columns.items():
            if column.kind == kind:
                parts += _encode_values(name, column)
    return joined(parts)


def frame_start(labels: tuple[tuple[str, Kind, bool], ...], rows: int) -> list[bytes]:
    """What comes before masks and values: each label is a name, a kind, whether it has a mask."""
    schema = encode_schema(labels)
    return [_FRAME_HEAD.pack(len(labels), rows, len(schema)), schema]


def joined(parts: list[bytes]) -> bytes:
    """The whole frame; raises FrameError where it is too large."""
    if sum(map(len, parts)) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame may hold {MAX_FRAME_BYTES} bytes; send fewer rows at a time")
    return b"".join(parts)


@lru_cache(maxsize=64)
def encode_schema(labels: tuple[tuple[str, Kind, bool], ...]) -> bytes:
    """The schema of columns, each with its name, kind and whether it has a mask."""
    parts = []
    for name, kind, masked in labels:
        text = _encode_text(name, name)
        if len(text) > 0xFFFF:
            raise FrameError(f"the column name {name[:40]!r}… is too long")
        parts.append(_COLUMN_HEAD.pack(CODES[kind], masked, len(text)) + text)
    return b"".join(parts)


def _encode_mask(name: str, column: Column) -> bytes:
    missing = column.missing
    if missing is None or missing.shape != column.values.shape:
        raise FrameError(f"column '{name}': the missing mask has another length")
    return missing.astype(np.bool_).tobytes()


def _encode_values(name: str, column: Column) -> list[bytes]:
    if column.kind == "utf8":
        return _encode_texts(name, column)
    values = np.asarray(column.values, DTYPES[column.kind])
    if column.missing is not None and column.missing.any():
        values = np.where(column.missing, DTYPES[column.kind].type(FILLERS[column.kind]), values)
    if column.kind == "int32" and (values == LOWEST_INT32).any():
        raise FrameError(f"column '{name}' holds {LOWEST_INT32}, which R cannot represent")
    return [values.tobytes()]


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
    width, rows, size = _FRAME_HEAD.unpack(reader.take(_FRAME_HEAD.size))
    schema = decode_schema(bytes(reader.take(size)))
    if len(schema.labels) != width:
        raise FrameError(f"the frame declares {width} columns and describes {len(schema.labels)}")
    if rows and not width:
        raise FrameError("the frame declares rows but no columns")
    masks = {name: reader.flags(rows) for name in schema.masked}
    values = _decode_blocks(reader, schema, rows)
    if reader.left:
        raise FrameError(f"the frame is followed by {reader.left} stray bytes")
    return Frame(
        {name: Column(kind, values[name], masks.get(name)) for name, kind, _ in schema.labels}
    )


@lru_cache(maxsize=64)
def decode_schema(data: bytes) -> _Schema:
    """The columns that a schema describes."""
    reader = _Reader(data)
    labels: list[_Label] = []
    while reader.left:
        code, masked, name_bytes = _COLUMN_HEAD.unpack(reader.take(_COLUMN_HEAD.size))
        if code not in KINDS or masked > 1:
            raise FrameError(f"the frame holds a column of unknown kind {code}, mask {masked}")
        labels.append(_Label(_decode_text(reader.take(name_bytes)), KINDS[code], bool(masked)))
    if len({label.name for label in labels}) < len(labels):
        raise FrameError("the frame holds two columns of one name")
    blocks = {kind: [name for name, of, _ in labels if of == kind] for kind in CODES}
    masked = [label.name for label in labels if label.masked]
    return _Schema(labels, masked, {kind: names for kind, names in blocks.items() if names})


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


def _decode_blocks(reader: _Reader, schema: _Schema, rows: int) -> dict[str, Array]:
    values: dict[str, Array] = {}
    for kind, names in schema.blocks.items():
        if kind == "utf8":
            values.update((name, _decode_texts(reader, rows)) for name in names)
            continue
        count = rows * len(names)
        block = reader.flags(count) if kind == "bool" else reader.array(DTYPES[kind], count)
        values.update(zip(names, block.reshape(len(names), rows), strict=True))
    return values


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
