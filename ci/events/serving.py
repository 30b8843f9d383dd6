"""What each host served of a model, and what is not known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.events.history import by_host
from ci.state.local import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.events.event import Event
    from ci.events.places import PlaceName
    from ci.repository import Repository


def hosts(
    repository: Repository, events: Mapping[PlaceName, list[Event]]
) -> dict[str, list[Event]]:
    """Host to what it told of the model of ``events`` (by log), by name.

    Of the host that this checkout is, also what it could not tell the remote yet.
    """
    from ci.host.place import me
    from ci.host.records import read_host
    from ci.host.tell import after

    own, told = me(repository), events.get("released", [])
    if own:
        record = read_host(state_folder(repository), own.name)
        mine = record and record.instance == own.instance
        told = [*told, *after(events.get("here", []), record.reported if record and mine else None)]
    return dict(sorted(by_host(told).items()))


def silences(repository: Repository, model: str) -> list[str]:
    """A sentence for each host that serves ``model`` and has not been heard of for long."""
    from ci.host.records import all_hosts
    from ci.host.status import is_silent

    return [
        f"The host {record.name} was last heard of at {record.at}: what it served since is not "
        "known."
        for record in all_hosts(state_folder(repository))
        if model in record.models and is_silent(record)
    ]
