"""What was live then: months of releases, and the answer at any time held against the truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.errors import MlopsError
from ci.events import log as log_room
from ci.events import when
from ci.events.event import Draft, Kind, Lineage, Measured
from ci.events.history import during, periods
from ci.events.log import Log
from ci.events.tale import history, in_words
from ci.events.value import count
from ci.events.when import Span, read_time
from ci.files import write_json
from ci.repository import Repository
from tests.support.repositories import new_repository, write_model

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = ("sales", "demand", "segments")


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


class Office:
    """Releases models as they come, and keeps its own account of what is live.

    The account is a list of (time, model, version or None), so that the answer at a time is its
    last entry: it shares nothing with what is tested.
    """

    def __init__(self, folder: Path) -> None:
        self.log = Log(folder, shared=False)
        self.account: list[tuple[datetime, str, int | None]] = []
        self.versions = dict.fromkeys(MODELS, 0)
        self.live: dict[str, int | None] = dict.fromkeys(MODELS)
        self.production: dict[str, int] = {}

    def write(self, now: datetime, kind: Kind, model: str, version: int | None) -> None:
        lineage = None
        if kind == "registered" and version:
            commit = (now - timedelta(hours=5)).isoformat()
            lineage = Lineage(
                version=version,
                run_id=f"run-{version}",
                fingerprint=f"{model}-{version}",
                bento="b",
                digest="d",
                committed_at=commit,
                approvers=[f"approver-{version}"],
            )
        self.log.append(
            Draft(
                kind=kind,
                model=model,
                actor="alice",
                reason="why",
                version=version,
                lineage=lineage,
            )
        )

    def set_live(self, now: datetime, model: str, version: int | None) -> None:
        self.live[model] = version
        self.account.append((now, model, version))

    def act(self, now: datetime, model: str, what: str, pick: int) -> None:
        """One thing that happens on a day, where it can happen."""
        if what == "release":
            version = self.versions[model] = self.versions[model] + 1
            self.write(now, "registered", model, version)
            self.write(now, "staged", model, version)
            self.write(now, "promoted", model, version)
            self.production[model] = version
            self.set_live(now, model, version)
        elif what == "failure":
            self.write(now, "failed", model, None)
        elif what == "refusal":
            self.write(now, "refused", model, None)
        elif model in self.production and what == "rollback":
            version = 1 + pick % self.versions[model]
            if version != self.production[model]:
                self.write(now, "rolled_back", model, version)
                self.write(now, "pinned", model, version)
                self.production[model] = version
                self.set_live(now, model, version)
        elif model in self.production and what == "stop" and self.live[model]:
            self.write(now, "stopped", model, self.live[model])
            self.set_live(now, model, None)
        elif model in self.production and what == "start" and not self.live[model]:
            self.write(now, "started", model, self.production[model])
            self.set_live(now, model, self.production[model])

    def truth(self, model: str, moment: datetime) -> int | None:
        """What was live at ``moment``, by the account."""
        entries = [v for at, name, v in self.account if name == model and at <= moment]
        return entries[-1] if entries else None

    def truth_during(self, model: str, first: datetime, last: datetime) -> set[int]:
        """All that was live at some moment between the two, by the account."""
        found = {v for at, name, v in self.account if name == model and first < at <= last}
        return {v for v in {*found, self.truth(model, first)} if v is not None}

    def answer(self, model: str, first: datetime, last: datetime | None = None) -> list[int]:
        events = [each for each in self.log.events() if each.model == model]
        span = Span(first, last or first)
        return [each.version for each in during(events, periods(events), span)]


STEPS = st.tuples(
    st.integers(0, 36 * 3600),
    st.sampled_from(MODELS),
    st.sampled_from(["release", "release", "rollback", "stop", "start", "failure", "refusal"]),
    st.integers(0, 9),
)


@given(
    st.lists(STEPS, min_size=1, max_size=45), st.lists(st.integers(-3600, 40 * 86400), min_size=4)
)
@settings(max_examples=60, deadline=None)
def test_at_any_time_the_answer_is_what_was_live(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, str, str, int]],
    moments: list[int],
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_room, "clock", clock)
        office = Office(tmp_path_factory.mktemp("office"))
        for seconds, model, what, pick in steps:
            clock.now += timedelta(seconds=seconds)
            office.act(clock.now, model, what, pick)
    asked = [BEGIN + timedelta(seconds=each) for each in moments]
    asked += [at for at, _, _ in office.account]
    for model in MODELS:
        for moment in asked:
            truth = office.truth(model, moment)
            assert office.answer(model, moment) == ([] if truth is None else [truth])
        for first, last in pairwise(sorted(asked)):
            found = office.answer(model, first, last)
            assert set(found) >= office.truth_during(model, first, last)
            assert set(found) <= office.truth_during(model, first, last) | {
                v for at, name, v in office.account if name == model and first <= at <= last
            }


def simulate(office: Office, clock: Clock, days: int = 30) -> None:
    """A month, the same each time."""
    draw = random.Random(5)  # noqa: S311 (no secret)
    kinds = ["release", "release", "rollback", "stop", "start", "failure", "refusal"]
    for day in range(days):
        for model in MODELS:
            clock.now = BEGIN + timedelta(days=day, seconds=draw.randrange(86400))
            office.act(clock.now, model, draw.choice(kinds), draw.randrange(9))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for room in (log_room, when):
        monkeypatch.setattr(room, "clock", clock)
    return clock


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    for model in MODELS:
        write_model(made, model)
    return made


def own(repository: Repository) -> Office:
    return Office(repository.state_dir)


def test_a_month_is_told_with_who_approved_and_how_each_period_ended(
    repository: Repository, clock: Clock
) -> None:
    office = own(repository)
    # The clock goes back from model to model: only the order within the log is true then.
    simulate(office, clock)
    clock.now = BEGIN + timedelta(days=31)
    for model in MODELS:
        told = history(repository, model, None)
        assert len(told.periods) > 5
        for period in told.periods:
            assert period.approvers == [f"approver-{period.version}"]
            assert period.fingerprint == f"{model}-{period.version}"
        for before, after in pairwise(told.periods):
            assert before.until is not None
            assert before.ended_because is not None
            if before.ended_because.startswith("rolled back"):
                assert before.until == after.since
        live = told.periods[-1].version if told.periods[-1].until is None else None
        assert live == office.live[model]
        assert any("the clock was" in note for note in told.notes)


def test_before_the_first_release_nothing_was_live(repository: Repository, clock: Clock) -> None:
    office = own(repository)
    clock.now = BEGIN + timedelta(days=3, hours=12)
    office.act(clock.now, "sales", "release", 0)
    clock.now = BEGIN + timedelta(days=9)
    for text, said in (
        ("2026-01-02", "Nothing was live of sales on 2026-01-02 (UTC)."),
        ("2026-01-04T11:59:59", "Nothing was live of sales at 2026-01-04T11:59:59Z."),
    ):
        span = read_time(text)
        assert in_words(history(repository, "sales", span), span) == said
    assert in_words(history(repository, "demand", None), None) == "Nothing was live of demand yet."
    with pytest.raises(MlopsError) as caught:
        history(repository, "sale", None)
    assert caught.value.code == "unknown_model"


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("2026-01-04", [1]),
        ("2026-01-04T12:00", [1]),
        ("2026-01-04T12:00Z", [1]),
        ("2026-01-04T13:00+02:00", []),
        ("2026-01-04T14:00+02:00", [1]),
        ("2026-01-04T06:59:59-05:00", []),
        ("2026-01-04T07:00-05:00", [1]),
        ("2026-01-06", [1, 2]),
        ("2026-01-07", [2]),
        ("2026-01-09", [2]),
        ("2026-01-06T22:59:59", [1]),
        ("2026-01-06T23:00:00", [1, 2]),
        ("2026-01-06T23:00:00.2", [1]),
        ("2026-01-06T23:00:00,4", [2]),
        ("2026-01-06T23:00:01", [2]),
    ],
)
def test_a_time_without_a_zone_is_utc_and_a_day_is_the_whole_of_it(
    repository: Repository, clock: Clock, text: str, live: list[int]
) -> None:
    office = own(repository)
    for day, hour, part in ((3, 12, 0), (5, 23, 0.3)):
        clock.now = BEGIN + timedelta(days=day, hours=hour, seconds=part)
        office.act(clock.now, "sales", "release", 0)
    clock.now = BEGIN + timedelta(days=8, hours=1)
    told = history(repository, "sales", read_time(text))
    assert [each.version for each in told.periods] == live


NO_TIMES = ["", "yesterday", "2026-13-01", "2026-02-30", "12:00", "2026-01-01T25:00", "1e9"]
OUT_OF_RANGE = ["0001-01-01T00:00+14:00", "2026-01-05T00:00+99:00", "9999-12-31"]
TO_COME = ["2026-01-10", "2026-01-09T01:00:01", "2026-01-09T00:00:01-01:00"]


@pytest.mark.parametrize("text", [*NO_TIMES, *OUT_OF_RANGE, *TO_COME])
def test_a_bad_time_or_one_to_come_is_refused_with_a_sentence(clock: Clock, text: str) -> None:
    clock.now = BEGIN + timedelta(days=8, hours=1)
    with pytest.raises(MlopsError) as caught:
        read_time(text)
    assert caught.value.code == "bad_time"
    assert "\n" not in caught.value.message


def test_in_the_same_second_the_order_decides(repository: Repository, clock: Clock) -> None:
    office = own(repository)
    clock.now = BEGIN + timedelta(days=1, microseconds=100)
    for _ in range(3):
        office.act(clock.now, "sales", "release", 0)
    office.act(clock.now, "sales", "rollback", 0)
    at = BEGIN + timedelta(days=1)
    assert office.answer("sales", at) == []
    assert office.answer("sales", at + timedelta(microseconds=100)) == [1]
    assert [each.version for each in history(repository, "sales", None).periods] == [1, 2, 3, 1]


def test_a_clock_that_was_far_ahead_hides_nothing_that_came_after(
    repository: Repository, clock: Clock
) -> None:
    office = own(repository)
    for now in (BEGIN + timedelta(days=9000), BEGIN + timedelta(days=1)):
        clock.now = now
        office.act(now, "sales", "release", 0)
    assert office.answer("sales", BEGIN + timedelta(days=2)) == [2]
    assert office.answer("sales", BEGIN) == []
    told = history(repository, "sales", None)
    assert [each.version for each in told.periods] == [1, 2]
    assert "the order is right" in told.notes[0]
    noted = {
        days: bool(history(repository, "sales", read_time(str(moment.date()))).notes)
        for days in (0, 1)
        if (moment := BEGIN + timedelta(days=days))
    }
    assert noted == {0: False, 1: True}, "of what was before, no time came twice"


def test_what_was_taken_over_was_live_since_its_record_says(
    repository: Repository, clock: Clock
) -> None:
    office = own(repository)
    clock.now = BEGIN + timedelta(days=5)
    versions = [
        Lineage(version=n, run_id="r", fingerprint=f"f{n}", bento="b", digest="d") for n in (1, 2)
    ]
    office.log.append(
        Draft(
            kind="taken_over",
            model="sales",
            actor="alice",
            reason="found",
            version=2,
            taken_over=versions,
            aliases={"production": 2, "previous": 1},
            since="2026-01-03T00:00:00+00:00",
        )
    )
    assert office.answer("sales", BEGIN + timedelta(days=1)) == []
    assert office.answer("sales", BEGIN + timedelta(days=3)) == [2]
    (told,) = history(repository, "sales", None).periods
    assert (told.since, told.until, told.fingerprint) == ("2026-01-03T00:00:00Z", None, "f2")


def test_a_release_older_than_its_events_is_told_of(repository: Repository) -> None:
    release = {
        **dict.fromkeys(
            ("fingerprint", "source", "bento", "digest", "tag", "asset", "commit", "run_id"), "x"
        ),
        **dict.fromkeys(("source_run_id", "trained_at", "workflow_run"), "x"),
        "model": "sales",
        "version": 4,
        "pull": 3,
        "approvers": ["bob"],
        "candidate": "reviewed",
        "released_at": "2026-01-03T00:00:00+00:00",
        "data": {},
    }
    write_json(repository.state_dir / "state" / "released" / "sales.json", release)
    told = history(repository, "sales", None)
    assert told.periods == []
    assert told.notes == [
        "Version 4 is released since 2026-01-03T00:00:00+00:00 (approved by bob); the events of "
        "releases begin with the next one."
    ]


def lost(difference: float | None) -> Measured:
    return Measured(
        metric="mae", against="version 1", rival=20.0, difference=difference, text="mae: worse"
    )


def test_value_counts_what_the_events_tell(tmp_path: Path, clock: Clock) -> None:
    office = Office(tmp_path)
    write: Callable[..., object] = lambda **more: office.log.append(  # noqa: E731
        Draft(**{"model": "sales", "actor": "a", "reason": "r", **more})
    )
    for hours, what in ((1, "release"), (2, "release")):
        clock.now = BEGIN + timedelta(hours=hours)
        office.act(clock.now, "sales", what, 0)
    clock.now = BEGIN + timedelta(hours=3)
    write(kind="rolled_back", version=1, before=2, seconds=0.8)
    write(kind="refused", candidate="x", rule="primary_metric", measured=lost(-2.5))
    write(kind="refused", candidate="y", rule="floors", measured=lost(0.5))
    write(kind="failed", code="start_failed", workflow_run="run/1")
    write(kind="counted", model="", workflow_run="run/1", minutes=4)
    write(kind="failed", code="cut_off", workflow_run="run/2")
    office.act(clock.now, "demand", "release", 0)
    office.act(clock.now, "demand", "stop", 0)
    found = count("here", office.log.events())
    assert found.models_live == ["sales"]
    assert (found.released, found.failed, found.rolled_back) == (3, 2, 1)
    assert (found.change_to_live.count, found.change_to_live.median) == (3, 5 * 3600)
    assert (found.restore.median, found.bad_version_live.median) == (0.8, 3600)
    assert [(each.loss, each.relative) for each in found.refused] == [(2.5, 0.125), (None, None)]
    assert (found.runner_minutes, found.runs_without_minutes) == (4, 1)
    empty = count(None, [])
    assert (empty.runner_minutes, empty.restore.median, empty.models_live) == (None, None, [])
