"""What the events add up to: versions, aliases and pins of each model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.events.event import Event, Lineage

PRODUCTION = "production"
PREVIOUS = "previous"
STAGING = "staging"


@dataclass
class Standing:
    """A model after some events: version number to lineage, alias to version number.

    ``stopped`` says that what is in production was taken out of service.
    """

    versions: dict[int, Lineage] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    pinned: int | None = None
    stopped: bool = False


def standings(events: Iterable[Event]) -> dict[str, Standing]:
    """Each model after ``events``, which are in their order."""
    found: dict[str, Standing] = {}
    for event in events:
        _apply(found.setdefault(event.model, Standing()), event)
    return {model: standing for model, standing in found.items() if standing.versions}


def _apply(standing: Standing, event: Event) -> None:
    if event.kind == "taken_over":
        standing.versions |= {each.version: each for each in event.taken_over or []}
        standing.aliases = dict(event.aliases or {})
    elif event.kind == "registered" and event.lineage:
        standing.versions[event.lineage.version] = event.lineage
    elif event.kind == "staged" and event.version:
        standing.aliases[STAGING] = event.version
    elif event.kind in ("promoted", "rolled_back") and event.version:
        before = standing.aliases.get(PRODUCTION)
        if before is not None and before != event.version:
            standing.aliases[PREVIOUS] = before
        standing.aliases[PRODUCTION] = event.version
        standing.stopped = False
    elif event.kind in ("started", "stopped"):
        standing.stopped = event.kind == "stopped"
    elif event.kind == "pinned":
        standing.pinned = event.version
    elif event.kind == "unpinned":
        standing.pinned = None
