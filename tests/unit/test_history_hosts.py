"""Which host served what, and when: told late, out of order, and held against an account."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from ci.events import log as log_room
from ci.events import when
from ci.events.event import Draft, Lineage, Measured
from ci.events.log import Log, head_of, own_log
from ci.events.tale import Told, history, in_words
from ci.events.value import value
from ci.events.when import read_time
from ci.host.place import become
from ci.host.records import HostRecord, Served, write_host
from ci.host.tell import untold
from ci.repository import Repository
from tests.support.repositories import new_repository, write_model

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MODEL = "sales"
HOSTS = ("north", "south")
Entry = tuple[datetime, int | None]


@dataclass
class Month:
    """Events of a remote, and an account of what each host served that shares nothing with them.

    What a host does while it is cut off stands in ``late`` until it is back.
    """

    log: Log
    now: datetime = BEGIN
    account: dict[str, list[Entry]] = field(default_factory=lambda: {each: [] for each in HOSTS})
    late: list[Draft] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def at(self, day: int, hour: float = 0.0) -> None:
        self.now = BEGIN + timedelta(days=day - 1, hours=hour)

    def draft(self, kind: str, version: int | None = None, **more: Any) -> Draft:
        given = {"kind": kind, "model": MODEL, "actor": "alice", "reason": "why", **more}
        return Draft.model_validate({**given, "version": version})

    def write(self, kind: str, version: int | None = None, **more: Any) -> None:
        self.log.append(self.draft(kind, version, **more))

    def release(self, version: int, committed: timedelta = timedelta(hours=5)) -> None:
        made = Lineage(
            version=version,
            run_id="r",
            fingerprint=f"f{version}",
            bento="b",
            digest="d",
            committed_at=(self.now - committed).isoformat(),
            approvers=[f"approver-{version}"],
            data={"data/sales.csv": f"data-of-{version}"},
        )
        self.write("registered", version, lineage=made)
        self.write("promoted", version)

    def serve(
        self, host: str, version: int, *, cut_off: bool = False, seconds: float | None = None
    ) -> None:
        self._tell(host, "served", version, cut_off=cut_off, seconds=seconds)
        self.account[host].append((self.now, version))

    def withdraw(self, host: str, *, cut_off: bool = False) -> None:
        self._tell(host, "withdrawn", None, cut_off=cut_off)
        self.account[host].append((self.now, None))

    def _tell(
        self,
        host: str,
        kind: str,
        version: int | None,
        *,
        cut_off: bool,
        seconds: float | None = None,
    ) -> None:
        told = self.draft(kind, version, host=host, since=self.now.isoformat(), seconds=seconds)
        if cut_off:
            self.late.append(told)
        else:
            self.log.append(told)

    def back(self) -> None:
        """The host that was cut off reaches the remote again."""
        self.log.append(*self.late)
        self.late.clear()

    def truth(self, host: str, moment: datetime) -> int | None:
        entries = [version for at, version in self.account[host] if at <= moment]
        return entries[-1] if entries else None


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, MODEL)
    return made


@pytest.fixture
def month(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Month:
    made = Month(Log(repository.state_dir / "state", shared=False))
    for room in (log_room, when):
        monkeypatch.setattr(room, "clock", made.clock)
    return made


Ask = Callable[[str], list[tuple[str | None, int]]]


@pytest.fixture
def ask(repository: Repository) -> Ask:
    """What `mlops history --at` says: (host, or None for what was released; version)."""

    def ask(text: str) -> list[tuple[str | None, int]]:
        found = history(repository, MODEL, read_time(text)).periods
        return [(each.host, each.version) for each in found]

    return ask


def spoken(told: Told) -> tuple[str | None, int, str, str | None]:
    return told.host, told.version, told.since, told.until


def test_hosts_serve_from_when_they_switched_and_not_from_the_release(
    month: Month, ask: Ask, repository: Repository
) -> None:
    month.at(2, 10)
    month.release(1)
    month.at(2, 11)
    month.serve("north", 1)
    month.at(2, 12)
    month.serve("south", 1)
    month.at(5, 10)
    month.release(2)
    month.at(5, 11)
    month.serve("north", 2)
    month.at(5, 12.5)
    month.serve("south", 2)
    month.at(6)
    assert ask("2026-03-02T09:59:59") == []
    assert ask("2026-03-02T10:30") == [(None, 1)]
    assert ask("2026-03-02T11:30") == [(None, 1), ("north", 1)]
    during_the_switch = [(None, 2), ("north", 2), ("south", 1)]
    assert ask("2026-03-05T12:00") == during_the_switch
    assert ask("2026-03-05T13:00+01:00") == during_the_switch
    assert ask("2026-03-05T07:00-05:00") == during_the_switch
    assert ask("2026-03-05T12:30Z") == [(None, 2), ("north", 2), ("south", 2)]
    whole = ask("2026-03-05")
    assert whole == [(None, 1), (None, 2), ("north", 1), ("north", 2), ("south", 1), ("south", 2)]
    (south,) = [each for each in history(repository, MODEL, None).periods if each.host == "south"][
        :1
    ]
    assert spoken(south) == ("south", 1, "2026-03-02T12:00:00Z", "2026-03-05T12:30:00Z")
    assert south.approvers == ["approver-1"]
    assert south.data == {"data/sales.csv": "data-of-1"}
    assert south.ended_because == "version 2 took its place: why"


def test_a_rollback_that_was_told_late_holds_from_when_it_happened_where_it_happened(
    month: Month, ask: Ask, repository: Repository
) -> None:
    month.at(2)
    month.release(1)
    month.serve("north", 1)
    month.at(3)
    month.release(2)
    month.serve("north", 2)
    month.at(4)
    month.serve("north", 1, cut_off=True, seconds=0.4)
    happened = month.now
    month.at(5)
    month.release(3)
    month.at(6)
    declared = {"host": "north", "since": happened.isoformat(), "before": 3}
    month.write("rolled_back", 1, **declared)
    month.write("pinned", 1, **declared)
    month.back()
    month.at(8)
    assert ask("2026-03-03T12:00") == [(None, 2), ("north", 2)]
    assert ask("2026-03-04T12:00") == [(None, 2), ("north", 1)]
    assert ask("2026-03-05T12:00") == [(None, 3), ("north", 1)]
    assert ask("2026-03-07") == [(None, 1), ("north", 1)]
    for told in history(repository, MODEL, None).periods:
        assert told.until is None or told.since < told.until, told
    found = value(repository)
    assert (found.restore.count, found.restore.median) == (1, 0.4)
    assert (found.rolled_back, found.bad_version_live.longest) == (1, 0.0)


def test_what_was_put_right_goes_on_and_what_was_taken_away_ends(month: Month, ask: Ask) -> None:
    month.at(2)
    month.release(1)
    for day in (2, 3, 4):
        month.at(day)
        month.serve("north", 1)
    month.at(6)
    month.withdraw("north")
    month.at(8)
    month.serve("north", 1)
    month.at(9)
    assert ask("2026-03-05") == [(None, 1), ("north", 1)]
    assert ask("2026-03-07") == [(None, 1)]
    assert ask("2026-03-08") == [(None, 1), ("north", 1)]


def test_a_host_knows_what_it_could_not_tell_yet_and_tells_it_once(
    month: Month, ask: Ask, repository: Repository
) -> None:
    month.at(2)
    month.release(1)
    own = become(repository, "north")
    log, state = own_log(repository), repository.state_dir / "state"
    (first,) = log.append(month.draft("served", 1, host="north"))
    record = HostRecord(
        name="north",
        instance=own.instance,
        platform=None,
        at=month.now.isoformat(),
        models={MODEL: Served(should=1)},
        reported=head_of(first),
    )
    write_host(state, record)
    month.serve("north", 1)
    month.at(3)
    log.append(month.draft("withdrawn", 1, host="north", reason="stopped: it smells"))
    month.at(5)
    assert ask("2026-03-02") == [(None, 1), ("north", 1)]
    assert ask("2026-03-04") == [(None, 1)]
    (new,), _ = untold(repository, record.reported)
    assert (new.kind, new.since) == ("withdrawn", "2026-03-03T00:00:00+00:00")
    month.log.append(new)
    write_host(state, record.model_copy(update={"reported": log.head()}))
    told = history(repository, MODEL, None)
    assert [each.host for each in told.periods] == [None, "north"]
    assert told.periods[1].ended_because == "taken out of service: stopped: it smells"
    assert "The host north was last heard of at 2026-03-02" in told.notes[0]
    assert told.notes[0] in in_words(told, None)


def test_people_read_of_each_version_once(month: Month, repository: Repository) -> None:
    month.at(2)
    month.release(1)
    month.serve("north", 1)
    month.at(3)
    lines = in_words(history(repository, MODEL, None), None).splitlines()
    assert lines[0].startswith("Version 1, released from")
    assert lines[-2] == "Version 1, on north from 2026-03-02T00:00:00Z to now"
    assert sum("approved by approver-1" in line for line in lines) == 1


def simulate(month: Month, draw: random.Random) -> None:
    """Thirty days: releases that hosts follow at their own pace, rollbacks, hosts cut off."""
    newest, live = 0, dict.fromkeys(HOSTS, 0)
    away: str | None = None
    for day in range(1, 31):
        month.at(day, draw.uniform(0, 6))
        if newest == 0 or draw.random() < 0.4:
            newest += 1
            month.release(newest)
        for host in draw.sample(HOSTS, 2):
            month.now += timedelta(hours=draw.uniform(0, 4))
            wanted = draw.choice([newest, newest, max(1, newest - 1), live[host]])
            if live[host] and draw.random() < 0.1:
                month.withdraw(host, cut_off=host == away)
                live[host] = 0
            elif wanted:
                month.serve(host, wanted, cut_off=host == away)
                live[host] = wanted
        if away is None and draw.random() < 0.2:
            away = draw.choice(HOSTS)
        elif away and draw.random() < 0.4:
            month.back()
            away = None
    month.back()
    month.at(31)


@pytest.mark.parametrize("seed", range(4))
def test_at_any_time_of_a_month_each_host_is_told_to_serve_what_it_served(
    month: Month, ask: Ask, seed: int
) -> None:
    simulate(month, random.Random(seed))  # noqa: S311 (no secret)
    changes = [at for host in HOSTS for at, _ in month.account[host]]
    moments = [BEGIN + timedelta(hours=6 * step) for step in range(120)]
    for moment in sorted([*moments, *changes, *(at - timedelta(seconds=1) for at in changes)]):
        told = [each for each in ask(moment.isoformat()) if each[0]]
        truth = {host: month.truth(host, moment) for host in HOSTS}
        assert told == [(host, version) for host, version in truth.items() if version], moment


def test_a_month_with_two_hosts_is_counted_as_by_hand(month: Month, repository: Repository) -> None:
    lost = Measured(metric="mae", against="version 1", rival=40.0, difference=-4.0, text="worse")
    for day, version, hours in ((2, 1, 30), (9, 2, 6), (16, 3, 2), (23, 4, 10)):
        month.at(day)
        month.release(version, timedelta(hours=hours))
        run = f"run/{version}"
        month.write("counted", workflow_run=run, minutes=7, model="")
        for host in HOSTS:
            month.now += timedelta(minutes=20)
            if version != 3:  # north finds out that it can't serve, and pins what it has
                month.serve(host, version)
        if version == 3:
            failed = {"host": "north", "code": "canary_failed", "since": month.now.isoformat()}
            month.write("failed", 3, **failed)
            month.write("rolled_back", 2, host="north", since=month.now.isoformat(), before=3)
            month.write("pinned", 2, host="north", since=month.now.isoformat())
    month.at(25)
    month.serve("south", 2, seconds=0.3)
    month.write("rolled_back", 2, host="south", since=month.now.isoformat(), before=4)
    month.serve("north", 2)
    month.at(26)
    month.write("refused", candidate="x", pull=12, rule="primary_metric", measured=lost)
    month.write("refused", candidate="y", pull=12, rule="primary_metric", measured=lost)
    found = value(repository)
    assert found.place == "released"
    assert found.models_live == [MODEL]
    assert found.released == 4
    assert (found.change_to_live.count, found.change_to_live.longest) == (4, 30 * 3600)
    assert found.change_to_live.median == median([30, 6, 2, 10]) * 3600
    assert (found.failed, found.rolled_back) == (1, 2)
    assert (found.restore.count, found.restore.median) == (1, 0.3)
    # Version 3 was declared for 40 minutes, version 4 from the 23rd to the 25th.
    assert found.bad_version_live.count == 2
    assert found.bad_version_live.longest == 48 * 3600
    assert found.bad_version_live.median == (40 * 60 + 48 * 3600) / 2
    assert [(each.pull, each.loss, each.relative) for each in found.refused] == [(12, 4.0, 0.1)]
    assert (found.runner_minutes, found.runs_without_minutes) == (28, 0)
