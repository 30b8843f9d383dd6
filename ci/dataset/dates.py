"""Dates and times as shops write them, as ISO text: which day 05/02 is, the whole column tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.dataset.values import as_type, iso

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = "(0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(0?[1-9]|1[0-2])"
_LATE = "(1[3-9]|2[0-9]|3[01])"
_TIME = r"( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
_YEAR = "[0-9]{4}"
# RE2, ordered. With points the day is first everywhere; else a number above 12 must prove it.
WRITTEN: dict[str, str] = {
    "zoned": (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
        r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
    ),
    "year_first": rf"^{_YEAR}[/.]{_MONTH}[/.]{_DAY}{_TIME}$",
    "day_first": rf"^({_DAY}\.{_MONTH}\.|{_LATE}[/-]{_MONTH}[/-]){_YEAR}{_TIME}$",
    "month_first": rf"^{_MONTH}[/-]{_LATE}[/-]{_YEAR}{_TIME}$",
    "either_first": rf"^{_MONTH}[/-]{_MONTH}[/-]{_YEAR}{_TIME}$",
}
SAID = {
    "zoned": "times with a zone, such as {text} in row {row}, are kept in UTC",
    "year_first": "dates such as {text} in row {row} were read with the year first",
    "day_first": "dates such as {text} in row {row} were read with the day first",
    "month_first": "dates such as {text} in row {row} were read with the month first",
}
# What dates of which both numbers are below 13 are, once another of the column proves it.
PROVED = ("day_first", "month_first")
_CLOCK = "(?P<clock> (?P<h>[0-9]{1,2})(?P<m>:[0-9:]+))?$"
_PARTS = {
    "year_first": "^(?P<y>[0-9]{4})[/.](?P<mo>[0-9]{1,2})[/.](?P<d>[0-9]{1,2})",
    "day_first": "^(?P<d>[0-9]{1,2})[./-](?P<mo>[0-9]{1,2})[./-](?P<y>[0-9]{4})",
    "month_first": "^(?P<mo>[0-9]{1,2})[/-](?P<d>[0-9]{1,2})[/-](?P<y>[0-9]{4})",
}


def as_iso(texts: pa.Array, written: str) -> pa.Array:
    """``texts`` that are ``written`` so (a key of `SAID`) as ISO text, a zone's in UTC.

    What is not written so, or names no day that there is, stays as it is.
    """
    import pyarrow.compute as pc

    made = _in_utc(texts) if written == "zoned" else _from_parts(texts, _PARTS[written] + _CLOCK)
    days, _ = as_type(made, "timestamp")
    return pc.if_else(pc.is_valid(days), made, texts)


def _from_parts(texts: pa.Array, pattern: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.extract_regex(texts, pattern)
    part = {name: pc.struct_field(found, name) for name in ("y", "mo", "d", "h", "m")}
    date = _joined(part["y"], _two_digits(part["mo"]), _two_digits(part["d"]), "-")
    clock = _joined(_two_digits(part["h"]), part["m"], "")
    made = pc.if_else(pc.equal(part["m"], ""), date, _joined(date, clock, " "))
    return made.cast(pa.string())


def _joined(*texts: pa.Array | str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*texts)


def _two_digits(texts: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.utf8_lpad(texts, 2, padding="0")


def _in_utc(texts: pa.Array) -> pa.Array:
    import pyarrow as pa

    try:
        return iso(texts.cast(pa.timestamp("us", tz="UTC")))
    except pa.ArrowInvalid:  # one is none, or names no day
        return pa.array([_one_in_utc(text) for text in texts.to_pylist()], pa.string())


def _one_in_utc(text: str | None) -> str | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return str(moment.astimezone(UTC).replace(tzinfo=None)) if moment.tzinfo else text
    except (ValueError, OverflowError):  # the last hours of the year 9999 have none in UTC
        return text
