"""What was live of a model, since when and until when, as its events tell.

What was declared to be in production is one thing; which host served what is another, and is told
by that host, maybe later than it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.events.event import Event, Lineage, Measured
    from ci.events.when import Span

BEGINS = ("promoted", "rolled_back", "started", "taken_over", "served")
ENDS = ("stopped", "withdrawn")
ON_A_HOST = ("served", "withdrawn")


@dataclass(frozen=True)
class Period:
    """A stretch in which a version was live.

    ``began`` and ``ended`` are the events at its ends, ``first`` and ``last`` their places among
    the model's events.
    """

    version: int
    began: Event
    ended: Event | None
    lineage: Lineage | None
    measured: Measured | None
    first: int
    last: int | None

    @property
    def since(self) -> datetime:
        """When it began; of what was taken over, as far as is known."""
        return time_of(self.began)


def time_of(event: Event) -> datetime:
    """When what an event tells of holds from: something found may have been there before.

    A rollback that a host made is declared when the host tells of it, and was served before.
    """
    return event.at if event.host and event.kind not in ON_A_HOST else happened(event)


def happened(event: Event) -> datetime:
    """When it happened, where that was told of later too."""
    return datetime.fromisoformat(event.since) if event.since else event.at


def declared(events: Iterable[Event]) -> list[Event]:
    """Those of ``events`` that say what is in production, whoever serves it."""
    return [event for event in events if event.kind not in ON_A_HOST]


def by_host(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Host to those of ``events`` that say what it serves, in their order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.host and event.kind in ON_A_HOST:
            found.setdefault(event.host, []).append(event)
    return found


def periods(events: Sequence[Event], known: Sequence[Event] | None = None) -> list[Period]:
    """All periods of one model, oldest first.

    ``events`` are those that were `declared`, or those of one host, in their order; ``known`` those
    that tell what each version is, where they do not.
    """
    found: list[Period] = []
    lineages: dict[int, Lineage] = {}
    measured: dict[int, Measured] = {}
    for event in known if known is not None else events:
        _learn(event, lineages, measured)
    live: tuple[int, int] | None = None
    for place, event in enumerate(events):
        now = _live_after(event, live[0] if live else None)
        if live and now == live[0] and event.kind != "taken_over":
            continue
        if live:
            found.append(_period(events, live, place, lineages, measured))
        live = (now, place) if now is not None else None
    if live:
        found.append(_period(events, live, None, lineages, measured))
    return found


def _learn(event: Event, lineages: dict[int, Lineage], measured: dict[int, Measured]) -> None:
    for lineage in [*(event.taken_over or []), *([event.lineage] if event.lineage else [])]:
        lineages[lineage.version] = lineage
    if event.kind == "registered" and event.version and event.measured:
        measured[event.version] = event.measured


def _live_after(event: Event, live: int | None) -> int | None:
    if event.kind in BEGINS:
        return event.version
    return None if event.kind in ENDS else live


def _period(
    events: Sequence[Event],
    live: tuple[int, int],
    last: int | None,
    lineages: dict[int, Lineage],
    measured: dict[int, Measured],
) -> Period:
    version, first = live
    return Period(
        version=version,
        began=events[first],
        ended=events[last] if last is not None else None,
        lineage=lineages.get(version),
        measured=measured.get(version),
        first=first,
        last=last,
    )


def during(events: Sequence[Event], every: Sequence[Period], span: Span) -> list[Period]:
    """Those of ``every`` that were live at some moment of ``span``.

    The order of events decides, not their times: what holds at a time is what the last event
    with no later time left behind. So a clock that was put back can't turn the order around.
    """
    before, until = _events_until(events, span.first), _events_until(events, span.last)
    return [
        period
        for period in every
        if period.first < until and (period.last is None or period.last >= before)
    ]


def _events_until(events: Sequence[Event], moment: datetime) -> int:
    """How many events there had been at ``moment``."""
    count = 0
    for place, event in enumerate(events, 1):
        if time_of(event) <= moment:
            count = place
    return count
