"""`mlops value`: what a leader asks, counted from the events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

from ci.events.history import declared, happened, periods
from ci.events.places import places, take_over_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.events.event import Event
    from ci.events.history import Period
    from ci.events.places import PlaceName
    from ci.repository import Repository

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Seconds:
    """Middle and longest of ``count`` durations in seconds; None where there are none."""

    count: int
    median: float | None
    longest: float | None


@dataclass(frozen=True)
class Refused:
    """A change that the gate refused; ``loss`` is what it would have brought.

    ``relative`` is that loss as a share of the rival's value; both are None where it was not worse.
    """

    model: str
    at: str
    rule: str | None
    pull: int | None
    metric: str | None
    loss: float | None
    relative: float | None
    text: str


@dataclass(frozen=True)
class Value:
    """All figures of one log.

    ``change_to_live`` counts from the commit of a version to its first promotion, ``restore`` the
    rollback command, ``bad_version_live`` how long a version was live that was rolled back.
    """

    place: PlaceName | None
    first_event: str | None
    models_live: list[str]
    released: int
    change_to_live: Seconds
    refused: list[Refused]
    failed: int
    rolled_back: int
    restore: Seconds
    bad_version_live: Seconds
    runner_minutes: int | None
    runs_without_minutes: int


def value(repository: Repository) -> Value:
    """What the released log tells, or this machine's own where nothing was released.

    Raises:
        MlopsError: ``broken_chain``.
    """
    take_over_once(repository)
    for place in places(repository):
        events = place.log.events()
        if events:
            return count(place.name, events)
    return count(None, [])


def count(place: PlaceName | None, events: Sequence[Event]) -> Value:
    """The figures of ``events``."""
    models = sorted({event.model for event in events if event.model})
    every = [
        period
        for model in models
        for period in periods(declared(event for event in events if event.model == model))
    ]
    back = [period for period in every if _was_rolled_back(period)]
    runs = {event.workflow_run for event in events if event.workflow_run}
    minutes = {
        e.workflow_run: e.minutes for e in events if e.workflow_run and e.minutes is not None
    }
    return Value(
        place=place,
        first_event=_stamp(events[0]) if events else None,
        models_live=sorted({_model(period) for period in every if period.ended is None}),
        released=len({(_model(p), p.version) for p in every if p.began.kind == "promoted"}),
        change_to_live=seconds(_lead_times(every)),
        refused=[_refused(event) for event in _refusals(events)],
        failed=sum(event.kind == "failed" for event in events),
        rolled_back=sum(event.kind == "rolled_back" for event in events),
        restore=seconds(e.seconds for e in events if e.seconds is not None),
        bad_version_live=seconds(_length(period) for period in back),
        runner_minutes=sum(minutes.values()) if minutes else None,
        runs_without_minutes=len(runs - minutes.keys()),
    )


def seconds(durations: Iterable[float]) -> Seconds:
    """Middle and longest of ``durations``."""
    known = sorted(durations)
    if not known:
        return Seconds(0, None, None)
    return Seconds(len(known), round(median(known), 3), round(known[-1], 3))


def _model(period: Period) -> str:
    return period.began.model


def _was_rolled_back(period: Period) -> bool:
    return period.ended is not None and period.ended.kind == "rolled_back"


def _length(period: Period) -> float:
    assert period.ended  # noqa: S101 (callers have looked)
    return max(0.0, (happened(period.ended) - period.since).total_seconds())


def _lead_times(every: Sequence[Period]) -> list[float]:
    """From each version's commit to its first promotion; a clock that is behind counts as 0."""
    found: dict[tuple[str, int], float] = {}
    for period in every:
        committed = period.lineage.committed_at if period.lineage else None
        if committed and period.began.kind == "promoted":
            waited = (period.began.at - datetime.fromisoformat(committed)).total_seconds()
            found.setdefault((_model(period), period.version), max(0.0, waited))
    return list(found.values())


def _stamp(event: Event) -> str:
    return event.at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _refusals(events: Sequence[Event]) -> list[Event]:
    """The refusals, of a pull request's candidates of a model only the last."""
    found: dict[tuple[str, int | str | None], Event] = {}
    for event in events:
        if event.kind == "refused":
            found[event.model, event.pull or event.hash] = event
    return list(found.values())


def _refused(event: Event) -> Refused:
    found = event.measured
    worse = found is not None and found.difference is not None and found.difference < 0
    loss = -found.difference if worse and found and found.difference is not None else None
    rival = found.rival if found else None
    return Refused(
        model=event.model,
        at=_stamp(event),
        rule=event.rule,
        pull=event.pull,
        metric=found.metric if found else None,
        loss=loss,
        relative=loss / abs(rival) if loss is not None and rival else None,
        text=found.text if found else event.detail or NOT_RECORDED,
    )


def in_words(found: Value) -> str:
    """For people."""
    if found.place is None:
        return "No event was recorded yet; type: mlops deploy MODEL"
    where = "released on GitHub" if found.place == "released" else "deployed on this machine"
    lines = [
        f"Counted from what was {where} since {found.first_event}.",
        f"Models live: {len(found.models_live)} ({', '.join(found.models_live) or 'none'})",
        f"Versions that went live: {found.released}",
        f"From a change to live: {_time(found.change_to_live)}",
        f"Changes refused by the gate: {len(found.refused)}",
        *(f"  {each.model}, {each.at[:10]}: {_loss(each)}" for each in found.refused),
        f"Failed releases: {found.failed}; rolled back: {found.rolled_back}",
        f"To restore, the command alone: {_time(found.restore)}",
        f"A version that was rolled back had been live: {_time(found.bad_version_live)}",
        f"Runner minutes: {_minutes(found)}",
    ]
    return "\n".join(lines)


def _loss(refused: Refused) -> str:
    share = f", {refused.relative:.1%} of its value" if refused.relative is not None else ""
    where = f", #{refused.pull}" if refused.pull else ""
    return f"{refused.text}{share} ({refused.rule or NOT_RECORDED}{where})"


def _time(found: Seconds) -> str:
    if found.median is None or found.longest is None:
        return NOT_RECORDED
    return f"{_span(found.median)} (median of {found.count}), {_span(found.longest)} at most"


def _span(length: float) -> str:
    """A duration in the largest unit that fits."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if length >= size:
            return f"{length / size:.1f} {unit}"
    return f"{length:.1f} seconds"


def _minutes(found: Value) -> str:
    if found.runner_minutes is None:
        return NOT_RECORDED
    rest = (
        f"; not recorded of {found.runs_without_minutes} runs" if found.runs_without_minutes else ""
    )
    return f"{found.runner_minutes}{rest}"
