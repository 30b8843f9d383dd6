"""`mlops audit`: every log of a checkout verified, and a way on where one is beyond repair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.events.heads import Head
from ci.events.log import Log, clock, own_log
from ci.events.places import Place, places
from ci.events.recorded import altered_records, badly_signed, has_signed, records, unsigned
from ci.events.verify import Finding, Verified, verify
from ci.registry.change import follow
from ci.registry.store import has_server
from ci.registry.take_over import came_with_the_state, take_over
from ci.registry.versions import is_there, registered
from ci.state.records import signed_head
from ci.trust.signing import signer_of_head

if TYPE_CHECKING:
    from pathlib import Path

    from ci.events.places import PlaceName
    from ci.repository import Repository

UNSIGNED = (
    "No head of the events is signed yet, though policies/trust.yaml has keys: the next release "
    "with MLOPS_SIGNING_KEY signs one."
)
FORGED = (
    "signed-head.json on mlops-state was not signed by a key of policies/trust.yaml: it was "
    "changed by hand, or its key was taken out of the policy"
)
HEAD_GONE = (
    "signed-head.json on mlops-state is gone, though versions are signed: it was removed by hand"
)
BAD_HEAD = (
    ".mlops/events.head names no event: it was changed by hand; where nothing else is found, "
    "remove that file, and the next event writes it again"
)


@dataclass(frozen=True)
class Audited:
    """One log: where it lies, and what was found."""

    place: PlaceName
    path: str
    found: Verified


def audit(repository: Repository) -> list[Audited]:
    """Verify every log that this checkout knows; the registry's own memory is a witness, too."""
    every = places(repository)
    memory = _memory(repository) if is_there(repository) else []
    if memory and _is_lost(repository, every):
        every.append(Place("here", own_log(repository), []))
    return [
        Audited(
            place.name,
            repository.relative(place.log.path),
            _verified(repository, place, _heads(place, memory, every)),
        )
        for place in every
    ]


def _is_lost(repository: Repository, every: list[Place]) -> bool:
    """Whether the registry is this machine's own, and nothing else of its events is here."""
    elsewhere = has_server() or came_with_the_state(repository)
    return not elsewhere and not any(place.name == "here" for place in every)


def _verified(repository: Repository, place: Place, heads: list[Head]) -> Verified:
    """A log; that of the releases also against the records beside it, and what keys signed."""
    if place.name != "released":
        found = verify(place.log, heads)
        return replace(found, findings=[*found.findings, *_bad_head(place.log)])
    policy = load_policy(repository, TrustPolicy)
    try:
        return _with_records(policy, place, heads)
    except MlopsError as error:  # a record that can't be read
        found = verify(place.log, heads)
        return replace(found, findings=[*found.findings, Finding(None, None, error.message)])


def _bad_head(log: Log) -> list[Finding]:
    text = log.recorded_head()
    return [Finding(None, None, BAD_HEAD)] if text is not None and not Head.read(text, "") else []


def _with_records(policy: TrustPolicy, place: Place, heads: list[Head]) -> Verified:
    state, more, doubts = place.log.folder, list[Finding](), list[str]()
    if policy.keys:
        there = records(state)
        found = _with_signature(policy, place, heads, versions_signed=has_signed(there))
        more, doubts = badly_signed(policy, there), unsigned(there)
    else:
        found = verify(place.log, heads)
    if not found.findings:
        more += altered_records(state, place.log.events())
    return replace(found, findings=[*found.findings, *more], unproven=[*found.unproven, *doubts])


def _with_signature(
    policy: TrustPolicy, place: Place, heads: list[Head], *, versions_signed: bool
) -> Verified:
    """The chain also against the head that was signed."""
    kept = signed_head(place.log.folder)
    if kept is None:
        found = verify(place.log, heads)
        if versions_signed:
            gone = Finding(None, None, HEAD_GONE)
            return replace(found, findings=[*found.findings, gone])
        return replace(found, unproven=[*found.unproven, UNSIGNED])
    signer = signer_of_head(policy, kept.head, kept.signature)
    head = Head.read(kept.head, f"signed-head.json on mlops-state, which {signer} signed")
    if signer is None or head is None:
        found = verify(place.log, heads)
        return replace(found, findings=[*found.findings, Finding(None, None, FORGED)])
    found = verify(place.log, [head, *heads])
    return replace(found, signed=f"event {head.sequence} by {signer}")


def _memory(repository: Repository) -> list[Head]:
    """Heads that MLflow keeps beside the models."""
    heads = [
        Head.read(model.head, f"the registry (tag events_head of {name})")
        for name, model in registered(repository).items()
    ]
    return [head for head in heads if head]


def _heads(place: Place, memory: list[Head], every: list[Place]) -> list[Head]:
    """Its own heads, and those of the registry that no other log has."""
    others = {
        (event.sequence, event.hash)
        for other in every
        if other is not place
        for event in other.log.readable()
    }
    return [*place.heads, *(h for h in memory if (h.sequence, h.hash) not in others)]


@dataclass(frozen=True)
class Begun:
    """A new chain: where the old file is, and how many models were taken over."""

    kept: Path | None
    models: int


def begin_again(repository: Repository, reason: str) -> Begun:
    """Set this machine's log aside and begin a new one from the registry as it is.

    Raises:
        MlopsError: ``not_broken`` where the log is whole.
    """
    log = own_log(repository)
    try:
        log.require_whole()
    except MlopsError:
        pass
    else:
        raise MlopsError(
            "not_broken", "This machine's events are whole; there is no reason to begin again."
        )
    kept = None
    with log.held():
        stamp = clock().strftime("%Y%m%dT%H%M%S%f")
        if log.path.exists():
            kept = log.path.with_name(f"{log.path.name}.broken-{stamp}")
            log.path.rename(kept)
        log.forget_head()
    made = take_over(repository, reason=reason)
    for event in made:
        follow(repository, event.model)
    return Begun(kept, len(made))
