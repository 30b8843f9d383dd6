"""What every host should run and does run, as far as this checkout has heard."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.host.pins import pending
from ci.host.place import me
from ci.host.records import Served, all_hosts
from ci.state.local import state_folder
from ci.state.records import released

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.host.records import HostRecord
    from ci.repository import Repository

# Three times what a host lets pass between two signs of life.
SILENT_SECONDS = 1800.0


def elsewhere(repository: Repository) -> Iterator[tuple[HostRecord, str, Served]]:
    """Each model of each other host: its record, and the model as it is there.

    What it should run is what is released now, which a host that is silent may not know.
    """
    own, state = me(repository), state_folder(repository)
    hosts = load_policy(repository, DeploymentPolicy).hosts
    for record in all_hosts(state):
        if own and record.instance == own.instance:
            continue
        given = hosts.get(record.name)
        for model, served in record.models.items():
            live = released(state, model) if given and given.has(model) else None
            yield record, model, served.model_copy(update={"should": live and live.version})


def should_here(repository: Repository, model: str) -> int | None:
    """The version that this host should run: a rollback counts before the remote knows of it."""
    own = me(repository)
    if own is None:
        return None
    host = load_policy(repository, DeploymentPolicy).hosts.get(own.name)
    pinned = pending(repository).get(model)
    if host is None or not host.has(model):
        return None
    live = released(state_folder(repository), model)
    if pinned:
        return pinned.version
    return live.version if live else None


def is_silent(record: HostRecord) -> bool:
    """Whether it should have been heard of since; by the clock of this machine."""
    age = datetime.now(UTC) - datetime.fromisoformat(record.at)
    return age.total_seconds() > SILENT_SECONDS
