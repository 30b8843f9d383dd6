"""What an Arrow IPC body grows to when its compressed buffers are read: said before they are."""

from __future__ import annotations

import struct

COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")  # how zstd and LZ4 frames begin
LARGEST = 1 << 40
# Fields of the flatbuffers tables Message and RecordBatch.
HEADER, COMPRESSION = 2, 3


def grown_bytes(body: bytes, *, stream: bool) -> int:
    """The bytes that the compressed buffers of ``body`` become, as each says before it begins.

    Looking for them takes longer than reading a table that has none, so a stream's messages are
    asked first.
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


def _may_be_compressed(body: bytes) -> bool:
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(body)
    try:
        while True:
            message = reader.read_next_message()
            plain = message.type == "schema" or (
                message.type == "record batch" and not _has_compression(message.metadata)
            )
            if not plain:
                return True
    except StopIteration:
        return False
    except (pa.ArrowException, OSError, struct.error):
        return True


def _has_compression(metadata: memoryview) -> bool:
    """Whether the record batch that the flatbuffer ``metadata`` describes is compressed."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    place = _field(metadata, root, HEADER)
    if place is None:
        return True
    (header,) = struct.unpack_from("<I", metadata, place)
    return _field(metadata, place + header, COMPRESSION) is not None


def _field(metadata: memoryview, table: int, number: int) -> int | None:
    """Where a field of the table at ``table`` is, or None where it is absent."""
    (back,) = struct.unpack_from("<i", metadata, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", metadata, vtable)
    entry = 4 + 2 * number
    if entry >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + entry)
    return table + offset if offset else None
