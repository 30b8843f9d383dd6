"""The logs that a checkout knows: what this machine did, and what was released on GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ci.events.heads import Head, heads_of_state, seen
from ci.events.log import Log, own_log, released_log
from ci.events.standing import standings
from ci.registry.take_over import take_over
from ci.registry.versions import is_there
from ci.state.local import state_folder

if TYPE_CHECKING:
    from ci.repository import Repository

PlaceName = Literal["here", "released"]


@dataclass(frozen=True)
class Place:
    """A log, and the heads of its chain that stand elsewhere."""

    name: PlaceName
    log: Log
    heads: list[Head]


def places(repository: Repository) -> list[Place]:
    """The log of the releases, as last fetched, and that of this machine, where there are any."""
    state = state_folder(repository)
    known = seen(repository.state_dir)
    recorded = Head.read(own_log(repository).recorded_head(), ".mlops/events.head")
    found = [
        Place(
            "released", released_log(state), [*heads_of_state(state), *([known] if known else [])]
        ),
        Place("here", own_log(repository), [recorded] if recorded else []),
    ]
    return [place for place in found if place.log.path.exists() or place.heads]


def take_over_once(repository: Repository) -> None:
    """Let a checkout that registered versions before there were events have its first ones.

    Where the registry came from the state branch, that has the events.

    Raises:
        MlopsError: as `Log.append`.
    """
    log = own_log(repository)
    fetched = state_folder(repository).exists()
    if not fetched and is_there(repository) and not standings(log.events()):
        take_over(repository)
