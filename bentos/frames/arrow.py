"""Frames as bytes straight from Arrow arrays, without a Python object for each text.

Takes what `pyarrow.Array` offers and imports nothing of it; the layout is that of `wire.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.frames.frame import DTYPES, FILLERS, KIND_OF_TYPE, LOWEST_INT32, FrameError
from bentos.frames.wire import CODES, frame_start, joined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.frames.frame import Array, Field, Kind

NUL = 0


def encode_arrow(columns: Mapping[str, Any], fields: list[Field]) -> bytes:
    """The arrays named by ``fields`` as the bytes of a frame.

    A number is a float64 array, an integer int64 within 32 bits, a boolean bool, a string string
    (valid UTF-8); null is missing, which only a nullable field may hold. Raises FrameError for
    what cannot be represented.
    """
    rows = len(columns[fields[0].name])
    labels = tuple((name, KIND_OF_TYPE[type_], nullable) for name, type_, nullable in fields)
    parts = frame_start(labels, rows)
    parts += [_mask(columns[name]) for name, _, nullable in labels if nullable]
    for wanted in CODES:
        for name, kind, nullable in labels:
            if kind == wanted:
                parts += _values(name, kind, columns[name], nullable)
    return joined(parts)


def _mask(values: Any) -> bytes:
    mask: bytes = values.is_null().to_numpy(zero_copy_only=False).tobytes()
    return mask


def _values(name: str, kind: Kind, values: Any, nullable: bool) -> list[bytes]:
    if values.null_count and not nullable:
        raise FrameError(f"column '{name}' has a missing value, which its contract does not allow")
    if values.null_count:
        values = values.fill_null(FILLERS[kind])
    return _texts(name, values) if kind == "utf8" else [_plain(name, kind, values)]


def _plain(name: str, kind: Kind, values: Any) -> bytes:
    array: Array = values.to_numpy(zero_copy_only=False)
    if (
        kind == "int32"
        and len(array)
        and not (array.min() > LOWEST_INT32 and array.max() < -LOWEST_INT32)
    ):
        raise FrameError(f"column '{name}' holds a whole number beyond 32 bits")
    return np.ascontiguousarray(array, DTYPES[kind]).tobytes()


def _texts(name: str, values: Any) -> list[bytes]:
    """The lengths, and the texts joined: both lie ready in the array's buffers."""
    _, offsets_buffer, data = values.buffers()
    count = len(values) + 1
    if offsets_buffer is None:  # an array without rows may have none
        return [b"", b""]
    offsets = np.frombuffer(offsets_buffer, "<i4", count, 4 * values.offset)
    begin, end = int(offsets[0]), int(offsets[-1])
    text = bytes(memoryview(data)[begin:end]) if data is not None else b""
    if NUL in text:
        raise FrameError(f"column '{name}' holds the character NUL, which R cannot represent")
    return [np.diff(offsets).astype("<u4").tobytes(), text]
