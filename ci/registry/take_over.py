"""Versions that were registered before there were events: one event tells what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.actor import whoever
from ci.events.event import Draft
from ci.events.log import Log, own_log, released_log
from ci.events.standing import PRODUCTION, standings
from ci.files import file_digest, read_json
from ci.registry.store import has_server
from ci.registry.versions import registered
from ci.targets.services import all_records, live_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.events.event import Event
    from ci.registry.versions import Registered
    from ci.repository import Repository

MARK = "registry.json"


def is_fetched(repository: Repository) -> bool:
    """Whether the registry is that of the state branch, as it was brought here."""
    own = repository.state_dir / "mlflow.db"
    if has_server() or not own.exists():
        return False
    mark = read_json(repository.state_dir / MARK) or {}
    return mark.get("sha256") == file_digest(own)


def came_with_the_state(repository: Repository) -> bool:
    """Whether the registry was brought from the state branch and is no checkout's own yet.

    Also where somebody has changed it since: what it has to be is told by the events there.
    """
    if has_server() or not (repository.state_dir / MARK).exists():
        return False
    return not standings(own_log(repository).readable())


def governing_log(repository: Repository) -> Log:
    """The log whose events the registry of this checkout follows from."""
    if came_with_the_state(repository):
        return released_log(repository.state_dir / "state")
    return own_log(repository)


def take_over(
    repository: Repository,
    since: Mapping[str, str] | None = None,
    reason: str = "found in the registry, which is older than its events",
    *,
    others: bool = False,
) -> list[Event]:
    """Tell of every model of the registry whose events this checkout does not have.

    A registry that came from the state branch and is about to become this checkout's own is told
    of anew; where ``others`` may change it too, so is a model that they have changed.

    Raises:
        MlopsError: as `Log.append`.
    """
    anew = is_fetched(repository)
    if not (anew or others) and standings(own_log(repository).events()):
        return []  # it was done before, and to read the registry takes a while
    there = registered(repository)
    live = {**_live(repository), **(since or {})}

    def drafts(events: list[Event]) -> list[Draft]:
        known = standings(events)
        return [
            _draft(model, reason, live.get(model.model))
            for model in there.values()
            if model.versions
            and (
                anew
                or model.model not in known
                or (others and known[model.model].aliases != model.aliases)
            )
        ]

    made = own_log(repository).decide(drafts) if there else []
    if made:
        (repository.state_dir / MARK).unlink(missing_ok=True)  # from now on it is our own
    return made


def _draft(model: Registered, reason: str, since: str | None) -> Draft:
    return Draft(
        kind="taken_over",
        model=model.model,
        actor=whoever(),
        reason=reason,
        version=model.aliases.get(PRODUCTION),
        taken_over=list(model.versions.values()),
        aliases=model.aliases,
        since=since if PRODUCTION in model.aliases else None,
    )


def _live(repository: Repository) -> dict[str, str]:
    """Since when this machine serves what it serves, by model."""
    return {each.model: each.since for each in live_services(all_records(repository))}
