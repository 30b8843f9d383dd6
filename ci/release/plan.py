"""The plan of a deployment: what its jobs have to do, and what the run was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ci.contract.base import Contract
from ci.errors import MlopsError
from ci.fingerprint import fingerprint
from ci.git import git
from ci.plan.matrix import MOST_JOBS, language_of
from ci.release.due import NO_COMMIT, Request, due
from ci.state.local import fetch, state_folder

if TYPE_CHECKING:
    from ci.github.context import Context
    from ci.plan.plan import Touched
    from ci.repository import Repository


class PlannedModel(Contract):
    """A model to release: its fingerprint on main is ``source``."""

    model: str
    language: str
    reason: str
    source: str


class Plan(Contract):
    """What is to be done for the commit ``commit`` of main; sentences for what is not done.

    ``held`` are models that a pin holds back, ``later`` those for which a run has no job left;
    ``outdated`` says that a newer commit was deployed.
    """

    commit: str
    models: list[PlannedModel]
    held: list[str]
    later: list[str] = Field(default_factory=list)
    outdated: bool
    notes: list[str]

    def matrix(self) -> dict[str, Any]:
        """A job a model, as `strategy.matrix` wants it."""
        return {"include": [each.model_dump() for each in self.models]}


def request_of(context: Context) -> Request:
    """What the event of a run asks for."""
    if context.event_name != "workflow_dispatch":
        before = str(context.event.get("before") or NO_COMMIT)
        return Request(before=None if before == NO_COMMIT else before)
    given = context.event.get("inputs") or {}
    asked = str(given.get("model") or "").strip() or None
    by = str((context.event.get("sender") or {}).get("login") or context.actor)
    unpin = str(given.get("unpin") or "").lower() == "true"
    return Request(asked=asked, by=by if asked else None, unpin=unpin)


def branch_of(context: Context) -> str:
    """The default branch of the repository, as the event of the run names it."""
    return str((context.event.get("repository") or {}).get("default_branch") or "main")


def make_plan(repository: Repository, context: Context) -> Plan:
    """Fetch the state and say what this run has to release.

    Raises:
        MlopsError: ``wrong_branch`` anywhere but on the default branch; ``unknown_model``.
    """
    branch = branch_of(context)
    if context.ref != f"refs/heads/{branch}":
        raise MlopsError(
            "wrong_branch",
            f"Only {branch} is deployed, and this run is on {context.ref}; choose {branch} under "
            "`Use workflow from`.",
        )
    request = request_of(context)
    fetch(repository)
    found = due(repository, state_folder(repository), request)
    pinned = [
        f"{pin.model} stays at version {pin.version}, where @{pin.by} pinned it ({pin.reason}). A "
        "merged change of its own files lifts the pin, or a run of deploy.yml with `unpin`."
        for pin in found.pinned
    ]
    deleted = [
        f"{name} is no longer on main; its last version stays released, and hosts go on serving it."
        for name in found.deleted
    ]
    models, later = in_turn(found.models, request.asked)
    waiting = [
        f"{len(later):,} more models wait for the next deployment, since a run on GitHub holds "
        f"{MOST_JOBS} jobs: run deploy.yml again."
    ]
    return Plan(
        commit=git(repository.root, "rev-parse", "HEAD").strip(),
        models=[
            PlannedModel(
                model=each.name,
                language=language_of(repository, each.name),
                reason=each.reason,
                source=fingerprint(repository, each.name),
            )
            for each in models
        ],
        held=[pin.model for pin in found.pinned],
        later=later,
        outdated=found.note is not None,
        notes=[
            *([found.note] if found.note else []),
            *(waiting if later else []),
            *pinned,
            *deleted,
        ],
    )


def in_turn(models: list[Touched], asked: str | None) -> tuple[list[Touched], list[str]]:
    """The models that one run has jobs for, the one that was asked for first, and the others."""
    found = sorted(models, key=lambda each: each.name != asked)
    return found[:MOST_JOBS], [each.name for each in found[MOST_JOBS:]]
