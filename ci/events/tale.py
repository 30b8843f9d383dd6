"""`mlops history`: the periods of a model in each log, as an answer for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from ci.events.history import Period, declared, during, periods, time_of
from ci.events.places import places, take_over_once
from ci.events.serving import hosts, silences
from ci.state.local import state_folder
from ci.state.records import released

if TYPE_CHECKING:
    from ci.events.event import Event
    from ci.events.when import Span
    from ci.repository import Repository


@dataclass(frozen=True)
class Told:
    """One period in words and digests. ``until`` is None while it lasts; texts may be None.

    ``released`` is what was in production wherever models run, ``host`` what the one of that name
    served.
    """

    place: Literal["released", "here", "host"]
    host: str | None
    version: int
    since: str
    until: str | None
    by: str
    why: str
    approvers: list[str]
    pull: int | None
    commit: str | None
    fingerprint: str | None
    bento: str | None
    digest: str | None
    run_id: str | None
    verdict: str | None
    did: str | None
    data: dict[str, str]
    ended_by: str | None
    ended_because: str | None


@dataclass(frozen=True)
class History:
    """What was live of ``model``, oldest first, and what to know about it."""

    model: str
    periods: list[Told]
    notes: list[str]


NOTABLE_SECONDS = 1.0
ENDINGS = {
    "promoted": "version {version} came after it",
    "rolled_back": "rolled back to version {version}: {reason}",
    "stopped": "stopped: {reason}",
    "started": "version {version} was started",
    "taken_over": "the registry was found changed: {reason}",
    "served": "version {version} took its place: {reason}",
    "withdrawn": "taken out of service: {reason}",
}


def history(repository: Repository, model: str, span: Span | None) -> History:
    """What was live of ``model``, in ``span`` or ever.

    Raises:
        MlopsError: ``unknown_model``; ``broken_chain`` where events can't be relied on.
    """
    take_over_once(repository)
    found: list[Told] = []
    notes: list[str] = []
    whole = {place.name: place.log.events() for place in places(repository)}
    events = {
        name: [event for event in every if event.model == model] for name, every in whole.items()
    }
    if not any(events.values()) and released(state_folder(repository), model) is None:
        repository.model_dir(model)  # a name that nobody ever heard of
    for name, every in events.items():
        found += [_told(period, name) for period in _chosen(declared(every), every, span)]
        notes += [_clock_note(event) for event in whole[name] if _is_doubtful(event, span)]
    known = [event for every in events.values() for event in every]
    for host, own in hosts(repository, events).items():
        found += [_told(period, "host", host) for period in _chosen(own, known, span)]
    notes += silences(repository, model)
    if not events.get("released"):
        notes += _without_events(repository, model)
    return History(model, found, notes)


def _chosen(events: list[Event], known: list[Event], span: Span | None) -> list[Period]:
    """The periods that ``events`` tell of, those in ``span`` where there is one."""
    every = periods(events, known)
    return during(events, every, span) if span else every


def _told(
    period: Period, place: Literal["released", "here", "host"], host: str | None = None
) -> Told:
    lineage, ended = period.lineage, period.ended
    return Told(
        place=place,
        host=host,
        version=period.version,
        since=_shown(period.since.isoformat(timespec="seconds")),
        until=_shown(time_of(ended).isoformat(timespec="seconds")) if ended else None,
        by=period.began.actor,
        why=period.began.reason,
        approvers=lineage.approvers if lineage else [],
        pull=lineage.pull if lineage else None,
        commit=lineage.commit if lineage else None,
        fingerprint=lineage.fingerprint if lineage else None,
        bento=lineage.bento if lineage else None,
        digest=lineage.digest if lineage else None,
        run_id=lineage.run_id if lineage else None,
        verdict=lineage.verdict if lineage else None,
        did=period.measured.text if period.measured else None,
        data=lineage.data if lineage else {},
        ended_by=ended.actor if ended else None,
        ended_because=_ending(ended) if ended else None,
    )


def _ending(event: Event) -> str:
    return ENDINGS[event.kind].format(version=event.version, reason=event.reason)


def _shown(time: str) -> str:
    return time.replace("+00:00", "Z")


def _is_doubtful(event: Event, span: Span | None) -> bool:
    """Whether a clock was put back at ``event`` by more than the little that every clock is.

    Of a ``span`` that lies before or after all times that came twice there is nothing to doubt.
    """
    back = timedelta(seconds=event.clock_back_seconds or 0)
    if back.total_seconds() < NOTABLE_SECONDS:
        return False
    return span is None or (event.at <= span.last and span.first <= event.at + back)


def _clock_note(event: Event) -> str:
    """What to know of a clock that was put back."""
    at = _shown(event.at.isoformat(timespec="seconds"))
    return (
        f"At {at} (event {event.sequence}) the clock was {event.clock_back_seconds:,.9g} s behind "
        "the event before: times around it are doubtful, the order is right."
    )


def _without_events(repository: Repository, model: str) -> list[str]:
    """What is released since before there were events, which the next release begins."""
    live = released(state_folder(repository), model)
    if live is None:
        return []
    by = ", ".join(live.approvers) or "nobody"
    return [
        f"Version {live.version} is released since {live.released_at} (approved by {by}); the "
        "events of releases begin with the next one."
    ]


def in_words(found: History, span: Span | None) -> str:
    """For people: what is known of a version is said where it comes first."""
    lines: list[str] = []
    seen: set[int] = set()
    for period in found.periods:
        lines += _lines(period, told_of=period.version in seen)
        seen.add(period.version)
    if not lines:
        when = f" {_when(span)}" if span else " yet"
        lines = [f"Nothing was live of {found.model}{when}."]
    return "\n".join([*lines, *found.notes])


def _when(span: Span) -> str:
    first = _shown(span.first.isoformat())
    is_day = span.last - span.first > timedelta(seconds=1)
    return f"on {first[:10]} (UTC)" if is_day else f"at {first}"


def _lines(told: Told, *, told_of: bool) -> list[str]:
    where = {"released": "released", "here": "live on this machine", "host": f"on {told.host}"}
    return [
        f"Version {told.version}, {where[told.place]} from {told.since} to {told.until or 'now'}",
        f"  by {told.by}: {told.why}",
        *([] if told_of else _about(told)),
        *([f"  ended by {told.ended_by}: {told.ended_because}"] if told.ended_because else []),
    ]


def _about(told: Told) -> list[str]:
    """What is known of the version itself."""
    approved = ", ".join(told.approvers) or "nobody"
    pull = f", pull request #{told.pull}" if told.pull else ""
    return [
        f"  approved by {approved}{pull}; verdict: {told.verdict or 'not recorded'}",
        f"  did: {told.did or 'not recorded'}",
        f"  commit {told.commit or 'not recorded'}, fingerprint {told.fingerprint}",
        f"  Bento {told.bento}, sha256:{told.digest}",
        *(f"  data {path} {digest}" for path, digest in told.data.items()),
    ]
