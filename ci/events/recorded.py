"""The records on the state branch held against its events: what was edited there by hand.

A head in a record shows that the events were changed; this shows that the record was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.events.standing import PRODUCTION, Standing, standings
from ci.events.verify import Finding
from ci.state.records import all_versions, pin, released, versions
from ci.trust.signing import signer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ci.contract.trust import TrustPolicy
    from ci.events.event import Event, Lineage
    from ci.state.records import Release

SAME = ("digest", "bento", "fingerprint")
# What an event of a registration always tells, so that nothing is told too.
WHOLE = ("data", "pull", "approvers", "image")
WHERE_TOLD = (
    *("source", "commit", "candidate", "trained_at"),
    *("run_id", "source_run_id", "workflow_run", "evaluation"),
)


def altered_records(state: Path, events: Sequence[Event]) -> list[Finding]:
    """What ``released/``, ``versions/`` and ``pins/`` in the folder ``state`` say against them.

    Raises:
        MlopsError: ``bad_state`` for a record that can't be read.
    """
    known = standings(events)
    return [
        Finding(None, None, text)
        for model in sorted({*known, *all_versions(state)})
        for text in _model(state, model, known.get(model, Standing()), events)
    ]


def records(state: Path) -> list[tuple[str, Release]]:
    """Every record of a version, and where it stands.

    Raises:
        MlopsError: ``bad_state`` for one that can't be read.
    """
    return [each for model in all_versions(state) for each in _of_model(state, model)]


def badly_signed(policy: TrustPolicy, found: Sequence[tuple[str, Release]]) -> list[Finding]:
    """Records whose signature is of something else, or by a key that the policy does not have."""
    return [
        Finding(
            None,
            None,
            f"{where} was not signed as it is by a key of policies/trust.yaml: it was changed by "
            "hand, or its key was taken out of the policy",
        )
        for where, each in found
        if each.signature is not None and signer_of(policy, each) is None
    ]


def unsigned(found: Sequence[tuple[str, Release]]) -> list[str]:
    """A sentence for each record without a signature."""
    return [
        f"{where} has no signature, so that nothing uses it where policies/trust.yaml asks for "
        "one; whoever can write mlops-state can take one away."
        for where, each in found
        if each.signature is None
    ]


def has_signed(found: Sequence[tuple[str, Release]]) -> bool:
    """Whether any version is signed: then a head of the events was, too."""
    return any(each.signature is not None for _, each in found)


def _of_model(state: Path, model: str) -> Iterator[tuple[str, Release]]:
    for each in versions(state, model):
        yield f"versions/{model}/{each.version}.json on mlops-state", each
    if live := released(state, model):
        yield f"released/{model}.json on mlops-state", live


def _model(state: Path, model: str, standing: Standing, events: Sequence[Event]) -> Iterator[str]:
    own = [event for event in events if event.model == model]
    found = {each.version: each for each in versions(state, model)}
    for number, record in found.items():
        told = standing.versions.get(number)
        where = f"versions/{model}/{number}.json on mlops-state"
        if told is None:
            yield f"{where} is of a version of which no event tells: it was written by hand"
        elif differing := _differing(told, record, registered=_has_event(own, number)):
            yield f"{where} has another {differing} than the event of its release: it was edited"
    for gone in {each.version for each in own if each.kind == "promoted"} - set(found):
        yield f"versions/{model}/{gone}.json on mlops-state is gone; that version was released"
    yield from _live(state, model, standing, own)
    there = pin(state, model)
    held = there.version if there else None
    if held != standing.pinned:
        yield (
            f"pins/{model}.json on mlops-state {_holds(held)}, and by the events it "
            f"{_holds(standing.pinned)}: it was edited"
        )


def _live(state: Path, model: str, standing: Standing, own: Sequence[Event]) -> Iterator[str]:
    live, told = released(state, model), standing.aliases.get(PRODUCTION)
    where = f"released/{model}.json on mlops-state"
    if (live.version if live else None) != told:
        there = f"has version {live.version}" if live else "is gone"
        yield f"{where} {there}, and by the events version {told or 'none'} is in production"
        return
    lineage = standing.versions.get(live.version) if live else None
    if not (live and lineage):
        return
    if differing := _differing(lineage, live, registered=_has_event(own, live.version)):
        yield f"{where} has another {differing} than the event of its release: it was edited"


def _has_event(events: Sequence[Event], number: int) -> bool:
    return any(each.kind == "registered" and each.version == number for each in events)


def _differing(told: Lineage, record: Release, *, registered: bool) -> str:
    """Names of fields; of what was found in a registry older than its events, not all is known."""
    strict = (*SAME, *WHOLE) if registered else SAME
    names = [*strict, *(name for name in (*WHOLE, *WHERE_TOLD) if getattr(told, name))]
    differing = [
        name
        for name in dict.fromkeys(names)
        if (getattr(told, name) or None) != (getattr(record, name) or None)
    ]
    return ", ".join(differing)


def _holds(version: int | None) -> str:
    return f"holds version {version}" if version else "is not there"
