"""`mlops audit verify`: each line against the one before, the chain against heads elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.events.event import START, Event
from ci.events.log import head_of, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.events.heads import Head
    from ci.events.log import Log


@dataclass(frozen=True)
class Finding:
    """Something wrong with a chain: at which ``line`` and event (``sequence``), where known."""

    line: int | None
    sequence: int | None
    problem: str


@dataclass(frozen=True)
class Verified:
    """What was found in one log.

    ``events`` counts its lines; ``witnessed`` is the newest event whose hash stands elsewhere too;
    ``signed`` says which event a key signed, where that is known.
    """

    events: int
    head: str | None
    findings: list[Finding]
    witnessed: int
    unproven: list[str]
    signed: str | None = None


def verify(log: Log, heads: Sequence[Head]) -> Verified:
    """Hold ``log`` against itself and against ``heads``."""
    lines, torn = log.lines()
    parsed = [parse(line) for line in lines]
    findings = _inside(parsed)
    known = {event.sequence: event for event in parsed if isinstance(event, Event)}
    findings += _against(heads, known, bool(parsed))
    last = next((event for event in reversed(parsed) if isinstance(event, Event)), None)
    witnessed = max((head.sequence for head in heads if _agrees(head, known)), default=0)
    unproven = _unproven(last.sequence if last else 0, witnessed, torn)
    unproven += [_clock(event) for event in known.values() if event.clock_back_seconds]
    return Verified(len(lines), head_of(last) if last else None, findings, witnessed, unproven)


def _inside(parsed: list[Event | str]) -> list[Finding]:
    """What does not fit from line to line."""
    found: list[Finding] = []
    expected, previous = 1, START
    everywhere = {event.sequence for event in parsed if isinstance(event, Event)}
    for line, event in enumerate(parsed, 1):
        if isinstance(event, str):
            found.append(Finding(line, expected, f"event {expected} was altered: {event}"))
            expected, previous = expected + 1, ""
            continue
        problem = _place(event, expected, previous, everywhere)
        if problem:
            found.append(Finding(line, event.sequence, problem))
        expected, previous = max(expected, event.sequence + 1), event.hash
    return found


def _place(event: Event, expected: int, previous: str, everywhere: set[int]) -> str | None:
    """What is wrong with where ``event`` stands, or None."""
    here = event.sequence
    if here > expected:
        missing = [number for number in range(expected, here) if number not in everywhere]
        if missing:
            return f"{_numbers(missing, 'were', 'was')} removed before event {here}"
        return f"event {here} stands too early: the events were reordered"
    if here < expected:
        return f"event {here} stands after event {expected - 1}: it was inserted or reordered"
    if previous and event.previous != previous:
        return (
            f"event {here} does not follow from event {here - 1} as it is now: one of the two was "
            "put in the place of another"
        )
    return None


def _numbers(missing: list[int], several: str, one: str) -> str:
    if len(missing) == 1:
        return f"event {missing[0]} {one}"
    return f"events {missing[0]} to {missing[-1]} {several}"


def _agrees(head: Head, known: dict[int, Event]) -> bool:
    return head.sequence in known and known[head.sequence].hash == head.hash


def _against(heads: Sequence[Head], known: dict[int, Event], there: bool) -> list[Finding]:
    """Heads that the chain does not have: cut off, or written anew."""
    found = []
    newest = max(known, default=0)
    for head in sorted({(h.sequence, h.hash): h for h in heads}.values(), key=lambda h: h.sequence):
        if _agrees(head, known):
            continue
        if head.sequence > newest:
            missing = range(newest + 1, head.sequence + 1)
            what = _numbers(list(missing), "are", "is") if there else "all events are"
            text = f"{what} gone: the tail was cut off. Event {head.sequence} is named by"
        else:
            text = f"event {head.sequence} is another one than was recorded by"
        found.append(Finding(None, head.sequence, f"{text} {head.where}"))
    return found


def _unproven(last: int, witnessed: int, torn: str) -> list[str]:
    found = []
    if witnessed < last:
        first = witnessed + 1
        which = f"Event {last} is" if first == last else f"Events {first} to {last} are"
        found.append(
            f"{which} newer than any head that was recorded elsewhere: had they been written anew "
            "or their successors been cut off, it would not show."
        )
    if torn:
        found.append(
            "The last line has no end: a command was killed while it wrote it. It counts as "
            "nothing, and the next event takes its place."
        )
    return found


def _clock(event: Event) -> str:
    return (
        f"The clock was {event.clock_back_seconds:,.9g} s behind at event {event.sequence}: times "
        "before and after it can't be compared; the order is right."
    )


ALWAYS = (
    "Whoever can write this log and every place that records a head can make a chain that fits; up "
    "to an event that is signed, only who has the key can. Times and actors are what the machine "
    "said. What nobody wrote down, such as a machine that lost its power, is not in it."
)
