"""Events of what came to nothing: a release that the gate refused, or that failed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.events.event import Draft
from ci.events.log import own_log
from ci.registry.change import Why
from ci.release.judged import RefusedError, first_time, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci.events.event import Event
    from ci.events.log import Log
    from ci.release.plan import Plan
    from ci.release.settle import Settled
    from ci.release.staged import Failed
    from ci.repository import Repository

OWN = ("broken_chain", "events_unwritable")


@contextmanager
def told(repository: Repository, name: str, why: Why, version: int | None = None) -> Iterator[None]:
    """Whatever stops the work inside is an event, and is raised on.

    The same refusal of the same candidate is told once.
    """
    try:
        yield
    except RefusedError as error:
        tell_or_say(repository, refusal(error, name, why.actor, why.reason))
        raise
    except MlopsError as error:
        if error.code not in OWN:
            tell_or_say(repository, failure(name, why, error.code, error.message, version))
        raise


def failure(model: str, why: Why, code: str, message: str, version: int | None = None) -> Draft:
    """The event of a deployment or a rollback that failed."""
    return Draft(
        kind="failed",
        model=model,
        actor=why.actor,
        reason=why.reason,
        version=version,
        code=code,
        detail=message,
        workflow_run=why.workflow_run,
    )


def tell_or_say(repository: Repository, draft: Draft) -> None:
    """Write an event; where that fails, only say so: what has happened has happened."""
    try:
        own_log(repository).decide(lambda known: [draft] if first_time(known, draft) else [])
    except MlopsError as error:
        say(error.message)


def tell_failures(
    log: Log, plan: Plan, found: Settled, failures: Mapping[str, Failed], run: str
) -> None:
    """The events of models that a deployment did not release, on the state branch.

    The same run's failure is told once, and so is the refusal of a candidate.

    Raises:
        MlopsError: ``broken_chain`` or ``events_unwritable``.
    """
    reasons = {each.model: each.reason for each in plan.models}
    drafts = [
        _failed(model, message, failures.get(model), Why(reasons[model], workflow_run=run))
        for model, message in found.failed.items()
    ]
    for draft in drafts:
        log.decide(lambda known, draft=draft: [draft] if _is_new(known, draft) else [])  # type: ignore[misc]


def _failed(model: str, message: str, told: Failed | None, why: Why) -> Draft:
    draft = failure(model, why, told.code if told else "cut_off", message)
    if told is None or told.candidate is None:
        return draft
    refused = {"kind": "refused", "candidate": told.candidate, "rule": told.rule}
    return draft.model_copy(update={**refused, "measured": told.measured})


def _is_new(known: list[Event], draft: Draft) -> bool:
    same = any(
        (each.kind, each.model, each.workflow_run) == (draft.kind, draft.model, draft.workflow_run)
        for each in known
    )
    return not same and first_time(known, draft)
