"""What an Arrow IPC body grows to when its compressed buffers are read: said before they are."""

from __future__ import annotations

import struct
from typing import NamedTuple

COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")  # how zstd and LZ4 frames begin
LARGEST = 1 << 40
# Each message of a stream: a mark, the size of its metadata, the metadata (a flatbuffer), a body.
HEAD = struct.Struct("<II")
MARK = 0xFFFFFFFF
# Fields of the flatbuffers tables Message and RecordBatch, and kinds of messages.
KIND, CONTENT, BODY_BYTES, EXTRA, COMPRESSION = 1, 2, 3, 4, 3
SCHEMA, BATCH = 1, 3


def grown_bytes(body: bytes, *, stream: bool) -> int:
    """The bytes that the compressed buffers of ``body`` become, as each says before it begins.

    Looking for them takes longer than reading a table that has none, so a stream's messages are
    looked at first.
    """
    if stream and not _may_be_compressed(body):
        return 0
    declared = 0
    for mark in COMPRESSED:
        place = body.find(mark, 8)
        while place >= 0:
            (size,) = struct.unpack_from("<q", body, place - 8)
            declared += size if 0 < size < LARGEST else 0
            place = body.find(mark, place + 1)
    return declared


class Message(NamedTuple):
    """What the metadata of a message says."""

    kind: int
    body_bytes: int
    compressed: bool


def _may_be_compressed(body: bytes) -> bool:
    """False where every message plainly is a schema or a batch as it is in memory."""
    place = 0
    try:
        while place < len(body):
            mark, size = HEAD.unpack_from(body, place)
            if mark == MARK and not size:
                return False
            place += HEAD.size
            message = _message(body, place)
            plain = message.kind == SCHEMA or (message.kind == BATCH and not message.compressed)
            if mark != MARK or not plain or message.body_bytes < 0:
                return True
            place += size + message.body_bytes
    except struct.error:
        return True
    return False


def _message(body: bytes, start: int) -> Message:
    """The message whose metadata begins at ``start``; raises struct.error."""
    message = start + _number("<I", body, start)
    kind, content = _field(body, message, KIND), _field(body, message, CONTENT)
    size = _field(body, message, BODY_BYTES)
    if kind is None or content is None:
        raise struct.error
    batch = content + _number("<I", body, content)
    return Message(
        _number("<B", body, kind),
        0 if size is None else _number("<q", body, size),
        # Old streams say it among the extra metadata.
        any(_field(body, *at) is not None for at in ((batch, COMPRESSION), (message, EXTRA))),
    )


def _field(body: bytes, table: int, number: int) -> int | None:
    """Where a field of the flatbuffers table at ``table`` is, or None where it is absent."""
    vtable = table - _number("<i", body, table)
    entry = 4 + 2 * number
    if entry >= _number("<H", body, vtable):
        return None
    offset = _number("<H", body, vtable + entry)
    return table + offset if offset else None


def _number(form: str, body: bytes, place: int) -> int:
    if place < 0:
        raise struct.error
    number: int = struct.unpack_from(form, body, place)[0]
    return number
