"""Events of what came to nothing: a release that the gate refused, or that failed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.actor import whoever
from ci.console import say
from ci.errors import MlopsError
from ci.events.event import Draft
from ci.events.log import own_log
from ci.registry.change import Why
from ci.release.judged import RefusedError, first_time, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ci.events.event import Event
    from ci.events.log import Log
    from ci.github.client import GitHub
    from ci.release.plan import Plan
    from ci.release.settle import Settled
    from ci.release.staged import Failed
    from ci.repository import Repository

OWN = ("broken_chain", "events_unwritable")
# Checks of a new version that keep the one before live.
WENT_BACK = ("start_failed", "probe_failed", "too_slow", "shadow_failed", "canary_failed")


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
            from ci.release.reviewers import is_known, tell_reviewers

            draft = failure(name, why, error.code, error.message, version)
            known = is_known(repository, draft)
            tell_or_say(repository, draft)
            if error.code in WENT_BACK and not known:
                tell_reviewers(repository, draft)
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


def failures(plan: Plan, found: Settled, told: Mapping[str, Failed], run: str) -> list[Draft]:
    """The events of models that a deployment did not release; ``told`` is what their jobs said."""
    reasons = {each.model: each.reason for each in plan.models}
    return [
        _failed(model, message, told.get(model), Why(reasons[model], workflow_run=run))
        for model, message in found.failed.items()
    ]


def minutes(github: GitHub) -> list[Draft]:
    """The event of what this run took so far; none where GitHub does not say."""
    from ci.github.runs import jobs
    from ci.review.cost import minutes_of

    context = github.context
    now = datetime.now(UTC)
    try:
        spent = sum(minutes_of(job, now) for job in jobs(github, context.run_id))
    except MlopsError:
        return []
    reason = "jobs of a deployment's last attempt, each in whole minutes"
    run = {"workflow_run": context.run_url, "minutes": spent}
    return [Draft(kind="counted", model="", actor=whoever(), reason=reason, **run)]


def tell_new(log: Log, drafts: Sequence[Draft]) -> None:
    """Write events of a deployment on the state branch.

    What the same run told before is told once, and so is the refusal of a candidate.

    Raises:
        MlopsError: ``broken_chain`` or ``events_unwritable``.
    """
    for draft in drafts:
        log.decide(lambda known, draft=draft: [draft] if _is_new(known, draft) else [])  # type: ignore[misc]


def _failed(model: str, message: str, told: Failed | None, why: Why) -> Draft:
    draft = failure(model, why, told.code if told else "cut_off", message)
    if told is None or told.candidate is None:
        return draft
    refused = {"kind": "refused", "candidate": told.candidate, "rule": told.rule}
    return draft.model_copy(update={**refused, "measured": told.measured})


def _is_new(known: list[Event], draft: Draft) -> bool:
    same = draft.workflow_run is not None and any(
        (each.kind, each.model, each.workflow_run, each.minutes)
        == (draft.kind, draft.model, draft.workflow_run, draft.minutes)
        for each in known
    )
    return not same and first_time(known, draft)
