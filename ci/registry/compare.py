"""Where the registry, its events and what runs do not say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentos.build import bento_digest
from ci.errors import MlopsError
from ci.events.event import Lineage
from ci.events.log import head_of, own_log, released_log
from ci.events.standing import PREVIOUS, PRODUCTION, Standing, standings
from ci.registry.champion import damaged
from ci.registry.store import has_server
from ci.registry.take_over import came_with_the_state, governing_log
from ci.registry.versions import by_alias, registered
from ci.targets.launch import bento_folder
from ci.targets.services import LIVE, STOPPED, read_record

if TYPE_CHECKING:
    from ci.registry.versions import Registered
    from ci.repository import Repository

CHECKED = [name for name in Lineage.model_fields if name != "version"]
AGAIN = "type: mlops registry rebuild"


def disagreements(repository: Repository) -> list[tuple[str, str]]:
    """(model, sentence) for each place where the registry is not what its events make of it.

    A server is not looked at: others change it, and their events are elsewhere. A model without
    events is one that was registered before there were any. A registry that is not there lacks
    each model that its events tell of.
    """
    if has_server():
        return []
    log = governing_log(repository)
    try:
        log.require_whole()
    except MlopsError as error:
        return [("", error.message)]
    known, there = standings(log.events()), registered(repository)
    fetched = came_with_the_state(repository)
    found = [
        (name, problem)
        for name in sorted(known.keys() | there.keys())
        for problem in _model(known.get(name), there.get(name), fetched)
    ]
    heads = _heads(repository)
    found += [(name, text) for name in there if (text := _head(there[name], heads))]
    return found + _running(repository) + _damaged(repository)


def _heads(repository: Repository) -> set[str]:
    """Every head that a chain of this checkout ever had, as far as it can be read."""
    logs = own_log(repository), released_log(repository.state_dir / "state")
    return {head_of(event) for log in logs for event in log.readable()}


def _model(standing: Standing | None, there: Registered | None, fetched: bool) -> list[str]:
    if standing is None:
        return (
            ["it is in the registry of mlops-state, and no event tells of it."] if fetched else []
        )
    if there is None:
        return [f"the events tell of it, and the registry does not have it; {AGAIN}"]
    return [*_versions(standing, there), *_aliases(standing, there)]


def _versions(standing: Standing, there: Registered) -> list[str]:
    found = []
    for number in sorted(standing.versions.keys() | there.versions.keys()):
        told, kept = standing.versions.get(number), there.versions.get(number)
        if told is None:
            found.append(
                f"version {number} is in the registry, and no event tells of it: a deployment was "
                "cut off, or somebody registered it by hand; deploy it again, or "
                f"{AGAIN}"
            )
        elif kept is None:
            found.append(f"the events tell of version {number}, and it is not registered; {AGAIN}")
        elif differing := _differing(told, kept):
            found.append(f"version {number} has another {differing} than its event tells; {AGAIN}")
    return found


def _differing(told: Lineage, kept: Lineage) -> str:
    return ", ".join(key for key in CHECKED if getattr(told, key) != getattr(kept, key))


def _aliases(standing: Standing, there: Registered) -> list[str]:
    return [
        f"the alias {alias} is at {_named(there.aliases.get(alias))}, and by the events at "
        f"{_named(standing.aliases.get(alias))}; the next deployment puts it right, or {AGAIN}"
        for alias in sorted(standing.aliases.keys() | there.aliases.keys())
        if standing.aliases.get(alias) != there.aliases.get(alias)
    ]


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _head(there: Registered, heads: set[str]) -> str | None:
    """The registry remembers the head of its events, which so can't be cut off unseen."""
    if there.head is None or there.head in heads:
        return None
    return (
        f"the registry remembers event {there.head.partition(':')[0]}, which is not among the "
        "events; type: mlops audit verify"
    )


def _running(repository: Repository) -> list[tuple[str, str]]:
    """Services of this machine that are not what its own events have in production."""
    found = []
    for name, standing in standings(own_log(repository).events()).items():
        service = read_record(repository, name).of(LIVE, STOPPED)
        told = standing.aliases.get(PRODUCTION)
        if service and told is not None and service.version != told:
            text = (
                f"version {service.version} was started last, and by the events version "
                f"{told} is in production: a command was cut off; type it again."
            )
            found.append((name, text))
    return found


def _damaged(repository: Repository) -> list[tuple[str, str]]:
    """Bentos of this store that are not what was registered, of versions that may have to run."""
    return [
        (name, damaged(repository, version))
        for name in standings(own_log(repository).events())
        for alias in (PRODUCTION, PREVIOUS)
        if (version := by_alias(repository, name, alias))
        and (folder := bento_folder(repository, version.bento)).is_dir()
        and bento_digest(folder) != version.digest
    ]
