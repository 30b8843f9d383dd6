"""`mlops audit`: every log of a checkout verified, and a way on where one is beyond repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.heads import Head
from ci.events.log import clock, own_log
from ci.events.places import Place, places
from ci.events.verify import Verified, verify
from ci.registry.change import follow
from ci.registry.take_over import take_over
from ci.registry.versions import is_there, registered

if TYPE_CHECKING:
    from pathlib import Path

    from ci.events.places import PlaceName
    from ci.repository import Repository


@dataclass(frozen=True)
class Audited:
    """One log: where it lies, and what was found."""

    place: PlaceName
    path: str
    found: Verified


def audit(repository: Repository) -> list[Audited]:
    """Verify every log that this checkout knows; the registry's own memory is a witness, too."""
    every = places(repository)
    memory = _memory(repository) if every and is_there(repository) else []
    return [
        Audited(
            place.name,
            repository.relative(place.log.path),
            verify(place.log, _heads(place, memory, every)),
        )
        for place in every
    ]


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
