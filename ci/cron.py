"""Five-field cron expressions in UTC: when something was due last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# 29 February comes every eight years at the rarest.
LONGEST_DAYS = 8 * 366
_ITEM = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")


@dataclass(frozen=True)
class Cron:
    """What an expression allows; days of the month and of the week as cron combines them."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Whether one of day and weekday is enough: so it is where both are restricted."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """The expression ``text``.

        Raises:
            ValueError: it is none, or never comes; the message says which field is wrong.
        """
        fields = text.split()
        if len(fields) != 5:
            raise ValueError(f"a schedule has five fields, such as '17 5 * * 1', not {len(fields)}")
        minute, hour, day, month, weekday = fields
        cron = cls(
            minutes=_values("minute", minute, 0, 59),
            hours=_values("hour", hour, 0, 23),
            days=_values("day of the month", day, 1, 31),
            months=_values("month", month, 1, 12, MONTHS, 1),
            weekdays=frozenset(v % 7 for v in _values("weekday", weekday, 0, 7, WEEKDAYS)),
            either_day=not day.startswith("*") and not weekday.startswith("*"),
        )
        if cron.last(datetime(2032, 3, 1, tzinfo=UTC)) is None:
            raise ValueError(f"{text!r} never comes: that month has no such day")
        return cron

    def last(self, moment: datetime) -> datetime | None:
        """The latest time at or before ``moment`` (with a time zone), or None for never."""
        latest = moment.astimezone(UTC).replace(second=0, microsecond=0)
        times = sorted(((h, m) for h in self.hours for m in self.minutes), reverse=True)
        for back in range(LONGEST_DAYS):
            day = latest - timedelta(days=back)
            if not self._on(day):
                continue
            for hour, minute in times:
                found = day.replace(hour=hour, minute=minute)
                if found <= latest:
                    return found
        return None

    def _on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_day or by_weekday) if self.either_day else (by_day and by_weekday)


def _values(
    field: str, text: str, least: int, most: int, names: tuple[str, ...] = (), first_name: int = 0
) -> frozenset[int]:
    """All values that ``text`` names, such as ``*/6`` or ``mon-fri`` or ``1,15``."""
    numbers = {name: number for number, name in enumerate(names, start=first_name)}
    found: set[int] = set()
    for item in text.split(","):
        parts = _ITEM.fullmatch(item)
        if parts is None or (parts["first"] == "*" and parts["last"]):
            raise ValueError(f"the {field} {item!r} of the schedule is not cron")
        step = int(parts["step"] or 1)
        if parts["first"] == "*":
            begin, end = least, most
        else:
            begin = _number(field, parts["first"], numbers)
            open_end = most if parts["step"] else begin
            end = _number(field, parts["last"], numbers) if parts["last"] else open_end
        if not least <= begin <= end <= most or step < 1:
            raise ValueError(f"the {field} {item!r} of the schedule is not within {least}-{most}")
        found |= set(range(begin, end + 1, step))
    return frozenset(found)


def _number(field: str, text: str, numbers: dict[str, int]) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    if text.lower() in numbers:
        return numbers[text.lower()]
    raise ValueError(f"the {field} {text!r} of the schedule is no number")
