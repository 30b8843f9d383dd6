"""Moments that say their zone, in UTC: a shop that changes its clock twice a year has others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.dataset.values import ZONED, iso

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa


def in_utc(table: pa.Table, names: Collection[str]) -> pa.Table:
    """``table`` with the zoned moments in its columns ``names`` of text in UTC, without a zone.

    What is no moment with a zone stays as it is.
    """
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if field.name in names and pa.types.is_string(field.type):
            column = table.column(place).combine_chunks()
            table = table.set_column(place, field.name, _in_utc(column))
    return table


def _in_utc(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = pc.fill_null(pc.match_substring_regex(texts, ZONED), False)
    if not pc.any(zoned).as_py():
        return texts
    try:
        moments = pc.if_else(zoned, texts, None).cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:  # the right form without a value, such as 2017-13-45T00:00Z
        return texts
    return pc.if_else(zoned, iso(moments), texts)
