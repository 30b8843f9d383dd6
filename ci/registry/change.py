"""The one place where the registry changes: each change is an event, too.

The event of an alias is written first and the alias follows from the events, so that a command
that was killed between the two is finished by the next one (`finish`). A version is registered
first, since MLflow gives it its number; the next registration of the same Bento tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ci.actor import whoever
from ci.events.event import Draft
from ci.events.log import head_of, own_log
from ci.events.standing import PRODUCTION, STAGING, Standing, standings
from ci.registry.store import has_server
from ci.registry.take_over import is_fetched, take_over
from ci.registry.versions import by_digest, create, is_there, point

if TYPE_CHECKING:
    from ci.events.event import Event, Lineage, Measured
    from ci.registry.versions import Version
    from ci.repository import Repository


@dataclass(frozen=True)
class Why:
    """Who changes something, why, and in which run of a workflow."""

    reason: str
    actor: str = field(default_factory=whoever)
    workflow_run: str | None = None


@dataclass(frozen=True)
class Pointed:
    """Alias to version, and the head of the events that it follows from."""

    aliases: dict[str, int]
    head: str | None


def register(
    repository: Repository,
    name: str,
    lineage: Lineage,
    why: Why,
    measured: Measured | None = None,
) -> Version:
    """Register ``lineage`` (its number is ignored) unless its Bento digest is registered already.

    Raises:
        MlopsError: ``broken_chain`` or ``events_unwritable``.
    """
    take_over(repository)
    own_log(repository).require_whole()
    known = by_digest(repository, name, lineage.digest) if is_there(repository) else None
    version = known or create(repository, name, lineage)

    def drafts(events: list[Event]) -> list[Draft]:
        standing = standings(events).get(name)
        if standing and version.version in standing.versions:
            return []
        told = lineage.model_copy(update={"version": version.version, "run_id": version.run_id})
        draft = moved("registered", name, version.version, why)
        return [draft.model_copy(update={"lineage": told, "measured": measured})]

    own_log(repository).decide(drafts)
    return version


def stage(repository: Repository, name: str, version: int, why: Why) -> None:
    """Say that ``version`` is on staging.

    Raises:
        MlopsError: as `register`.
    """
    declare(repository, moved("staged", name, version, why))
    follow(repository, name)


def promote(repository: Repository, name: str, version: int, why: Why) -> None:
    """Say that ``version`` is in production, and what was there is the previous one.

    Raises:
        MlopsError: as `register`.
    """
    declare(repository, moved("promoted", name, version, why))
    follow(repository, name)


def roll_back(repository: Repository, name: str, version: int, why: Why, seconds: float) -> None:
    """The same for going back to ``version``, which took ``seconds``.

    Raises:
        MlopsError: as `register`.
    """
    draft = moved("rolled_back", name, version, why)
    declare(repository, draft.model_copy(update={"seconds": round(seconds, 3)}))
    follow(repository, name)


def declare(repository: Repository, draft: Draft) -> None:
    """Write down that a version comes to staging or production; MLflow does not `follow` yet.

    Where it is there already, and was not stopped, nothing is written.

    Raises:
        MlopsError: as `register`.
    """
    take_over(repository)
    alias = STAGING if draft.kind == "staged" else PRODUCTION

    def drafts(events: list[Event]) -> list[Draft]:
        standing = standings(events).get(draft.model, Standing())
        there = standing.aliases.get(alias) == draft.version
        if there and not (alias == PRODUCTION and standing.stopped):
            return []
        return [draft.model_copy(update={"before": standing.aliases.get(PRODUCTION)})]

    own_log(repository).decide(drafts)


def pointed(repository: Repository, name: str) -> Pointed:
    """Where the aliases have to point according to the events, and the head of these."""
    events = own_log(repository).events()
    standing = standings(events).get(name)
    head = head_of(events[-1]) if events else None
    return Pointed(standing.aliases if standing else {}, head)


def follow(repository: Repository, name: str, to: Pointed | None = None) -> None:
    """Make MLflow's aliases those of the events, or those that are given."""
    to = to or pointed(repository, name)
    if to.aliases:
        point(repository, name, to.aliases, to.head)


def finish(repository: Repository, name: str) -> None:
    """Before a change: let the aliases follow from this checkout's events, as far as they do.

    So what a killed command began is finished. What others did on an MLflow server is told of. A
    registry that came from the state branch follows from the events there.

    Raises:
        MlopsError: ``broken_chain``.
    """
    own_log(repository).require_whole()
    if has_server():
        take_over(repository, reason="changed by others on the MLflow server", others=True)
    elif is_there(repository) and not is_fetched(repository):
        follow(repository, name)


def tell(repository: Repository, draft: Draft) -> None:
    """Write down what changed nothing in the registry.

    Raises:
        MlopsError: ``broken_chain`` or ``events_unwritable``.
    """
    own_log(repository).append(draft)


def moved(
    kind: Literal["registered", "staged", "promoted", "rolled_back", "pinned", "unpinned"],
    name: str,
    version: int,
    why: Why,
) -> Draft:
    """The event of a version that is moved."""
    return Draft(
        kind=kind,
        model=name,
        actor=why.actor,
        reason=why.reason,
        version=version,
        workflow_run=why.workflow_run,
    )
