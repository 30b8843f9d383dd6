"""The chain of events: what is appended stays, and whatever is done to it by hand shows."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.errors import MlopsError
from ci.events import log as log_room
from ci.events.event import Draft, Lineage, written
from ci.events.heads import Head
from ci.events.log import Log, head_of
from ci.events.verify import verify

Lines = list[str]

WRITER = """
import sys
from pathlib import Path
from ci.events import Draft, Log

log = Log(Path(sys.argv[1]), shared=True)
for number in range(int(sys.argv[3])):
    draft = Draft(kind="started", model="m", actor=sys.argv[2], reason=str(number), version=1)
    log.append(draft)
    print(number, flush=True)
"""


def note(reason: str, model: str = "sales") -> Draft:
    return Draft(kind="started", model=model, actor="alice", reason=reason, version=1)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Six events of two models."""
    made = Log(tmp_path / ".mlops", shared=True)
    for number in range(6):
        made.append(note(f"the {number}th", model=("sales", "demand")[number % 2]))
    return made


def head(log: Log) -> Head:
    found = Head.read(log.head(), "a release")
    assert found
    return found


def read(log: Log) -> Lines:
    return log.path.read_text().splitlines()


def write(log: Log, lines: Lines) -> None:
    log.path.write_text("".join(f"{line}\n" for line in lines))


def rehashed(line: str, previous: str, **changes: object) -> str:
    """A line that fits by itself, as somebody would write it who knows how."""
    fields = {**json.loads(line), "previous": previous, **changes}
    return written(fields)


def test_events_come_back_as_they_were_written(log: Log) -> None:
    events = log.events()
    assert [each.sequence for each in events] == [1, 2, 3, 4, 5, 6]
    assert [each.reason for each in events] == [f"the {n}th" for n in range(6)]
    assert events[0].previous == "0" * 64
    assert all(b.previous == a.hash for a, b in itertools.pairwise(events))
    assert events[0].at.utcoffset() == timedelta(0)
    found = verify(log, [head(log)])
    assert (found.events, found.findings, found.unproven) == (6, [], [])


def altered(lines: Lines) -> Lines:
    return [*lines[:2], lines[2].replace("the 2th", "the 9th"), *lines[3:]]


def removed(lines: Lines) -> Lines:
    return [*lines[:2], *lines[3:]]


def reordered(lines: Lines) -> Lines:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def inserted(lines: Lines) -> Lines:
    return [*lines[:3], rehashed(lines[2], json.loads(lines[1])["hash"], actor="eve"), *lines[3:]]


def replaced(lines: Lines) -> Lines:
    """One event written anew, with the right hash of its own."""
    return [*lines[:2], rehashed(lines[2], json.loads(lines[1])["hash"], actor="eve"), *lines[3:]]


def said_twice(lines: Lines) -> Lines:
    """What programs take is the last of the two, what people read the first."""
    return [*lines[:2], lines[2].replace("{", '{"actor":"eve",', 1), *lines[3:]]


def in_other_order(lines: Lines) -> Lines:
    fields = dict(reversed(json.loads(lines[2]).items()))
    return [*lines[:2], json.dumps(fields, separators=(",", ":")), *lines[3:]]


def no_json(lines: Lines) -> Lines:
    return [*lines[:2], lines[2][:-20], *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (altered, (3, 3, "event 3 was altered: its hash is not that of its content")),
        (said_twice, (3, 3, "event 3 was altered: it is not written as the log writes it")),
        (in_other_order, (3, 3, "event 3 was altered: it is not written as the log writes it")),
        (no_json, (3, 3, "event 3 was altered: it is no event")),
        (removed, (3, 4, "event 3 was removed before event 4")),
        (reordered, (3, 4, "event 4 stands too early: the events were reordered")),
        (inserted, (4, 3, "event 3 stands after event 3: it was inserted or reordered")),
        (replaced, (4, 4, "event 4 does not follow from event 3 as it is now")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_tampering_is_found_where_it_is(
    log: Log, tamper: Callable[[Lines], Lines], said: tuple[int, int, str]
) -> None:
    write(log, tamper(read(log)))
    first = verify(log, []).findings[0]
    assert (first.line, first.sequence) == said[:2]
    assert first.problem.startswith(said[2])
    for use in (log.events, lambda: log.append(note("one more"))):
        with pytest.raises(MlopsError) as caught:
            use()
        assert caught.value.code == "broken_chain"


def test_a_cut_tail_and_a_chain_written_anew_show_by_a_head_elsewhere(log: Log) -> None:
    recorded = head(log)
    lines = read(log)
    write(log, lines[:4])
    (finding,) = verify(log, [recorded]).findings
    assert finding.problem == (
        "events 5 to 6 are gone: the tail was cut off. Event 6 is named by a release"
    )
    assert verify(log, []).findings == []

    anew, previous = lines[:3], json.loads(lines[2])["hash"]
    for line in lines[3:]:
        anew.append(rehashed(line, previous, actor="eve"))
        previous = json.loads(anew[-1])["hash"]
    write(log, anew)
    (finding,) = verify(log, [recorded]).findings
    assert finding.problem == "event 6 is another one than was recorded by a release"

    log.path.unlink()
    (finding,) = verify(log, [recorded]).findings
    assert finding.problem.startswith("all events are gone")


def test_nothing_is_appended_to_a_log_whose_newest_events_are_gone(log: Log) -> None:
    write(log, read(log)[:4])
    with pytest.raises(MlopsError, match="event 6 was there and is not now") as caught:
        log.append(note("as if nothing had happened"))
    assert caught.value.code == "broken_chain"
    log.path.unlink()
    with pytest.raises(MlopsError, match="audit begin-again"):
        log.append(note("as if nothing had happened"))


def test_what_no_head_covers_is_said(log: Log) -> None:
    recorded = head(log)
    log.append(note("later"))
    found = verify(log, [recorded])
    assert (found.findings, found.witnessed) == ([], 6)
    assert found.unproven[0].startswith("Event 7 is newer than any head")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_change_of_any_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = Log(tmp_path_factory.mktemp("log"), shared=False)
    reasons = data.draw(st.lists(st.text(max_size=30), min_size=1, max_size=4))
    log.append(*(note(reason or "x") for reason in reasons))
    recorded, content = head(log), bytearray(log.path.read_bytes())
    assert verify(log, [recorded]).findings == []
    place = data.draw(st.integers(0, len(content) - 2))  # the last line's end is no event's
    content[place] ^= data.draw(st.integers(1, 255))
    before = [each.model_dump() for each in log.events()]
    log.path.write_bytes(content)
    if verify(log, [recorded]).findings == []:  # JSON has several ways to write the same
        assert [each.model_dump() for each in log.events()] == before


def test_text_that_can_not_be_written_is_made_readable(log: Log) -> None:
    lineage = Lineage(version=1, run_id="r", fingerprint="f", bento="b", digest="d")
    draft = Draft(
        kind="registered",
        model="sales",
        actor="a\nb",
        reason="\udcff" + "x" * 5000,
        lineage=lineage,
    )
    log.append(draft)
    event = log.events()[-1]
    assert (event.actor, len(event.reason)) == ("a b", 2000)
    assert verify(log, []).findings == []


def test_a_clock_that_jumps_back_is_recorded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before = log.events()[-1].at
    monkeypatch.setattr(log_room, "clock", lambda: before - timedelta(minutes=30))
    (event,) = log.append(note("after the clock was put right"))
    assert (event.sequence, event.clock_back_seconds) == (7, 1800)
    found = verify(log, [head(log)])
    assert found.findings == []
    assert found.unproven == [
        "The clock was 1,800 s behind at event 7: times before and after it can't be compared; the "
        "order is right."
    ]


def test_a_line_that_was_cut_off_while_it_was_written_is_no_event(log: Log) -> None:
    whole = log.path.read_bytes()
    for end in (1, 40, 200):
        log.path.write_bytes(whole + whole.splitlines()[0][:end])
        assert len(log.events()) == 6
        assert "killed while it wrote it" in verify(log, [head(log)]).unproven[0]
    log.append(note("the next"))
    assert [each.reason for each in log.events()][5:] == ["the 5th", "the next"]
    assert verify(log, [head(log)]).unproven == []


def test_processes_at_once_append_one_after_the_other(tmp_path: Path) -> None:
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, "25"], stdout=subprocess.DEVNULL
        )
        for name in ("one", "two", "three")
    ]
    assert [each.wait() for each in begun] == [0, 0, 0]
    log = Log(tmp_path, shared=True)
    assert verify(log, [head(log)]).findings == []
    for name in ("one", "two", "three"):
        own = [each.reason for each in log.events() if each.actor == name]
        assert own == [str(number) for number in range(25)]


def test_a_writer_that_is_killed_leaves_a_chain_that_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path, shared=True)
    told = 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), "one", "100000"], stdout=subprocess.PIPE
        )
        assert writer.stdout
        for _ in range(7):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        writer.wait()
        told += 7 + len(rest)
        log.append(note("the next"))
        told += 1
        assert len(log.events()) >= told
        assert verify(log, [head(log)]).findings == []


def test_a_full_disk_leaves_the_log_as_it_was(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before = log.path.read_bytes()
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 50:
            return real(handle, data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(MlopsError, match="No space left on device") as caught:
        log.append(note("x" * 20))
    assert caught.value.code == "events_unwritable"
    assert log.path.read_bytes() == before


def test_a_head_is_read_back_and_anything_else_is_none(log: Log) -> None:
    event = log.events()[-1]
    assert Head.read(head_of(event), "x") == Head(6, event.hash, "x")
    for text in (None, "", "6", "x:y", 7):
        assert Head.read(text, "x") is None


def test_times_are_utc_whatever_zone_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = datetime(2026, 3, 29, 3, 30, tzinfo=UTC).astimezone(
        datetime.strptime("+0530", "%z").tzinfo
    )
    monkeypatch.setattr(log_room, "clock", lambda: zone.astimezone(UTC))
    log = Log(tmp_path, shared=False)
    log.append(note("x"))
    assert json.loads(read(log)[0])["at"] == "2026-03-29T03:30:00.000000+00:00"
