"""Text to typed values, and which texts are none: one grammar for validating and inferring."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from ci.contract.dataset import FieldType

# RE2 patterns. An integer has at most 18 digits, so that it fits 64 bits; with a leading zero it
# is a code such as 007 and no number. ISO dates only: 03/04/2017 means two days.
PATTERNS: dict[str, str] = {
    "integer": r"^-?(0|[1-9][0-9]{0,17})$",
    "number": r"^-?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?$",
    "boolean": r"^(true|false|True|False|TRUE|FALSE)$",
    "timestamp": (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
    ),
}


def arrow_type(kind: FieldType) -> pa.DataType:
    """The Arrow type that holds a column of ``kind``."""
    import pyarrow as pa

    return {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us"),
        "string": pa.string(),
    }[kind]


def as_type(values: pa.Array, kind: FieldType) -> tuple[pa.Array, pa.Array | None]:
    """``values`` (text, or a Parquet column) as ``kind``, and a mask of the rows that are not.

    The mask is None where all are. What is not of ``kind`` is null in the result.
    """
    import pyarrow as pa

    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return typed(values, kind) if is_text else native(values, kind)


def iso(times: pa.Array) -> pa.Array:
    """Times as ISO text in UTC, as short as they are exact."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = times.cast(pa.timestamp("us"), safe=False)
    for unit, fmt in (("D", "%Y-%m-%d"), ("s", "%Y-%m-%d %H:%M:%S")):
        floor = pc.floor_temporal(plain, unit="day" if unit == "D" else "second")
        if pc.all(pc.equal(floor, plain)).as_py() is not False:
            return pc.strftime(plain.cast(pa.timestamp("s"), safe=False), format=fmt)
    return plain.cast(pa.string())


def holds(texts: pa.Array, signs: bytes) -> bool:
    """Whether one of the ASCII ``signs`` is in any of ``texts``; one look at all their bytes."""
    held = text_bytes(texts)
    return any(sign in held for sign in signs)


def text_bytes(texts: pa.Array) -> bytes:
    """The texts one after the other in UTF-8, which is how Arrow holds them."""
    _, offsets, data = texts.buffers()
    if data is None:
        return b""
    begin, end = (
        int.from_bytes(memoryview(offsets)[4 * place : 4 * place + 4], "little")
        for place in (texts.offset, texts.offset + len(texts))
    )
    return bytes(memoryview(data)[begin:end])


def known_numbers(texts: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """As ``typed`` for numbers, of texts that are known to be written as numbers are."""
    return _without_mask(*_cast(texts, "number"))


def _without_mask(values: pa.Array, bad: pa.Array | None) -> tuple[pa.Array, pa.Array | None]:
    import pyarrow.compute as pc

    return values, bad if bad is not None and pc.any(bad).as_py() else None


def typed(texts: pa.Array, kind: FieldType) -> tuple[pa.Array, pa.Array | None]:
    """``texts`` as values of ``kind``, and a mask of those that are none (None: all are).

    What is no value of ``kind`` is null in the result; so are infinities and NaN.
    """
    import pyarrow.compute as pc

    if kind == "string":
        return texts, None
    bad = pc.fill_null(pc.invert(pc.match_substring_regex(texts, PATTERNS[kind])), False)
    wanted = texts if not pc.any(bad).as_py() else pc.if_else(bad, None, texts)
    values, impossible = _cast(wanted, kind)
    if impossible is not None:
        bad = pc.or_(bad, impossible)
    return values, bad if pc.any(bad).as_py() else None


def _cast(texts: pa.Array, kind: FieldType) -> tuple[pa.Array, pa.Array | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = texts.cast(arrow_type(kind))
        if kind != "number" or pc.all(pc.is_finite(values)).as_py() is not False:
            return values, None
        return _cast_one_by_one(texts, kind)
    except pa.ArrowInvalid:  # the right form without a value: 2017-13-45, 1e999
        return _cast_one_by_one(texts, kind)


def _cast_one_by_one(texts: pa.Array, kind: FieldType) -> tuple[pa.Array, pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = texts.dictionary_encode()
    good = pa.array([_is_value(text, kind) for text in coded.dictionary.to_pylist()], pa.bool_())
    impossible = pc.fill_null(pc.invert(pc.take(good, coded.indices)), False)
    return pc.if_else(impossible, None, texts).cast(arrow_type(kind)), impossible


def _is_value(text: str, kind: FieldType) -> bool:
    try:
        value: Any = datetime.fromisoformat(text) if kind == "timestamp" else float(text)
    except ValueError:
        return False
    return not isinstance(value, float) or math.isfinite(value)


def native(values: pa.Array, kind: FieldType) -> tuple[pa.Array, pa.Array | None]:
    """The same for a column of a Parquet file, whose values have types already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not _compatible(values.type, kind):
        return pa.nulls(len(values), arrow_type(kind)), pc.is_valid(values)
    if not pa.types.is_floating(values.type):
        return values.cast(arrow_type(kind), safe=kind != "timestamp"), None
    bad = pc.fill_null(pc.invert(pc.is_finite(values)), False)
    if not pc.any(bad).as_py():
        return values.cast(arrow_type(kind)), None
    return pc.if_else(bad, None, values).cast(arrow_type(kind)), bad


def _compatible(found: pa.DataType, kind: FieldType) -> bool:
    import pyarrow as pa

    types = pa.types
    fits: dict[str, bool] = {
        "integer": types.is_integer(found),
        "number": types.is_integer(found) or types.is_floating(found),
        "boolean": types.is_boolean(found),
        "timestamp": types.is_timestamp(found) or types.is_date(found),
        "string": types.is_string(found) or types.is_large_string(found),
    }
    return fits[kind]
