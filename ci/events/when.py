"""A TIME as people type it: a day, a second or a moment; without a zone it is UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ci.errors import MlopsError
from ci.events.log import clock

INSTANT = timedelta(microseconds=1)
FRACTION = re.compile(r"\d[.,]\d")


@dataclass(frozen=True)
class Span:
    """From ``first`` to ``last``, both included and in UTC: a whole day or second, or a moment."""

    first: datetime
    last: datetime


def read_time(text: str) -> Span:
    """The day, the second or the moment that ``text`` names.

    Raises:
        MlopsError: ``bad_time`` for what is no time, or has not come yet.
    """
    try:
        span = _day(text) or _moment(text)
    except (ValueError, OverflowError):
        raise MlopsError(
            "bad_time",
            f"{text!r} is no time; give a day such as 2026-03-29, or a moment such as "
            "2026-03-29T14:30 (UTC) or 2026-03-29T14:30+02:00.",
        ) from None
    now = clock()
    if span.first > now:
        raise MlopsError(
            "bad_time",
            f"{text} has not come yet: it is {now.isoformat(timespec='seconds')}; what will be "
            "live then is not known.",
        )
    return span


def _day(text: str) -> Span | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    first = datetime.combine(day, time(), UTC)
    return Span(first, first + timedelta(days=1) - INSTANT)


def _moment(text: str) -> Span:
    moment = datetime.fromisoformat(text)
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # Answers name whole seconds: what began within one was live at that second, too.
    length = timedelta() if FRACTION.search(text) else timedelta(seconds=1) - INSTANT
    return Span(zoned, zoned + length)
