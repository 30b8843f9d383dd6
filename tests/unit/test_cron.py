"""Cron expressions: when something was due last, held against counting minute by minute."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.cron import Cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "last"),
    [
        ("17 5 * * 1", "2026-11-21 07:00", "2026-11-16 05:17"),
        ("17 5 * * 1", "2026-11-16 05:17", "2026-11-16 05:17"),
        ("17 5 * * 1", "2026-11-16 05:16", "2026-11-09 05:17"),
        ("37 */6 * * *", "2026-11-21 06:36", "2026-11-21 00:37"),
        ("37 */6 * * *", "2026-11-21 00:00", "2026-11-20 18:37"),
        ("0 0 1 * *", "2026-11-30 23:59", "2026-11-01 00:00"),
        ("0 0 29 2 *", "2027-01-01 00:00", "2024-02-29 00:00"),
        ("0 12 * * sun", "2026-11-21 07:00", "2026-11-15 12:00"),
        ("0 12 * * 7", "2026-11-21 07:00", "2026-11-15 12:00"),
        ("5 4 1,15 * *", "2026-11-21 07:00", "2026-11-15 04:05"),
        ("5 4 1 * fri", "2026-11-21 07:00", "2026-11-20 04:05"),  # either day is enough
        ("5 4 */2 * fri", "2026-11-21 07:00", "2026-11-13 04:05"),  # both, as a star stands there
        ("0 9-17/4 * * mon-fri", "2026-11-21 07:00", "2026-11-20 17:00"),
        ("10/20 3 * jan-mar *", "2026-11-21 07:00", "2026-03-31 03:50"),
    ],
)
def test_when_it_was_due_last(text: str, now: str, last: str) -> None:
    assert Cron.parse(text).last(at(now)) == at(last)


def test_the_time_is_utc_wherever_it_is_asked() -> None:
    summer = timezone(timedelta(hours=2))
    moment = datetime(2026, 7, 6, 7, 16, tzinfo=summer)  # 05:16 UTC
    assert Cron.parse("17 5 * * *").last(moment) == at("2026-07-05 05:17")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("17 5 * *", "five fields"),
        ("@daily", "five fields"),
        ("60 5 * * *", "minute '60'"),
        ("5 24 * * *", "hour '24'"),
        ("5 5 0 * *", "day of the month '0'"),
        ("5 5 * 13 *", "month '13'"),
        ("5 5 * * 8", "weekday '8'"),
        ("9-5 5 * * *", "minute '9-5'"),
        ("*/0 5 * * *", "minute '*/0'"),
        ("5 5 * * monday", "'monday' of the schedule is no number"),
        ("5;ls 5 * * *", "is not cron"),
        ("*-5 5 * * *", "is not cron"),
        ("² 5 * * *", "no number"),
        ("5 5 30 2 *", "never comes"),
    ],
)
def test_what_is_no_schedule_says_which_field(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Cron.parse(text)


def _field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, 9).map(lambda n: f"*/{n}")
    return st.one_of(st.just("*"), number.map(str), span, step)


def _allows(cron: Cron, moment: datetime) -> bool:
    day, weekday = moment.day in cron.days, moment.isoweekday() % 7 in cron.weekdays
    return (
        moment.minute in cron.minutes
        and moment.hour in cron.hours
        and moment.month in cron.months
        and ((day or weekday) if cron.either_day else (day and weekday))
    )


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(_field(0, 59), _field(0, 23), st.just("*"), st.just("*"), _field(0, 6)),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
)
def test_it_is_what_counting_the_minutes_back_finds(fields: tuple[str, ...], now: datetime) -> None:
    cron = Cron.parse(" ".join(fields))
    moment = now.replace(second=0, microsecond=0, tzinfo=UTC)
    while not _allows(cron, moment):
        moment -= timedelta(minutes=1)
    assert cron.last(now.replace(tzinfo=UTC)) == moment
