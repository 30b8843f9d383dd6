"""`mlops status`: what runs here and on each host, and what was released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.state.local import state_folder
from ci.state.records import all_released
from ci.targets import front, local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import LocalTarget
    from ci.repository import Repository
    from ci.targets.services import Service


@dataclass(frozen=True)
class Status:
    """One row of `mlops status`.

    ``state`` is ``running``, ``not ready`` or ``stopped`` for what this machine serves; ``warm``
    for the version before, which callers don't reach but could at once; and ``released`` for what
    was released and is not served here. The last two have no address. A row of another ``host``
    has what that reported at ``heard``: the version that it ran, or None, and ``should`` run.
    """

    model: str
    environment: str
    version: int | None
    url: str | None
    state: str
    since: str | None
    host: str | None = None
    should: int | None = None
    heard: str | None = None
    problem: str | None = None


def status(repository: Repository) -> list[Status]:
    """What is live here, and what was released according to the state as last fetched, by model."""
    from ci.host.place import policy_of

    policy = policy_of(repository).local
    here = [_shown(repository, each, policy) for each in local.all_recorded(repository)]
    hosts = list(_elsewhere(repository))
    served = {(row.model, row.version) for row in [*here, *hosts]}
    there = [
        Status(r.model, local.ENVIRONMENT, r.version, None, "released", r.released_at)
        for r in all_released(state_folder(repository))
        if (r.model, r.version) not in served
    ]
    return sorted([*here, *hosts, *there], key=lambda row: row.model)


def _elsewhere(repository: Repository) -> Iterator[Status]:
    from ci.host.status import elsewhere, is_silent

    for record, model, served in elsewhere(repository):
        yield Status(
            model=model,
            environment=local.ENVIRONMENT,
            version=served.version,
            url=None,
            state="silent" if is_silent(record) else served.state,
            since=served.since,
            host=record.name,
            should=served.should,
            heard=record.at,
            problem=served.problem or record.problem,
        )


def _shown(repository: Repository, service: Service, policy: LocalTarget) -> Status:
    from ci.host.place import me
    from ci.host.status import should_here

    state, own = local.state(repository, service, policy), me(repository)
    url = None if state == "warm" else front.address(repository, service.model, policy)
    return Status(
        service.model,
        local.ENVIRONMENT,
        service.version,
        url,
        state,
        service.since,
        host=own.name if own else None,
        should=None if state == "warm" else should_here(repository, service.model),
    )
