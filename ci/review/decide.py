"""From what is known of a commit to its status: one function, whatever event asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.plan.matrix import MOST_JOBS

if TYPE_CHECKING:
    from ci.github.runs import Run
    from ci.github.statuses import State
    from ci.review.scope import Scope
    from ci.review.verdict import Reviewed

NOTHING = "No model is touched."
TOO_MANY = "Split it, or see docs/how-to/release-a-model.md."


@dataclass(frozen=True)
class Facts:
    """What is known of the newest commit of a pull request.

    ``scope`` is None where ``problem`` says why it can't be looked at. ``training`` and ``tests``
    are the newest runs of pull-request.yml and platform.yml. ``reviewed`` is of ``training``;
    ``review_failed`` says that the review itself ended without one.
    """

    scope: Scope | None
    problem: str | None = None
    training: Run | None = None
    tests: Run | None = None
    reviewed: Reviewed | None = None
    review_failed: bool = False


@dataclass(frozen=True)
class Decision:
    """The status, its one line for people, and whether a review must be made first."""

    state: State
    headline: str
    judge: bool = False


def decide(facts: Facts) -> Decision:
    """The status of the commit."""
    if facts.scope is None:
        return Decision("failure", facts.problem or "It can't be looked at.")
    count = len(facts.scope.models)
    if count > MOST_JOBS:
        text = f"Fail: {count:,} models are touched, and a run on GitHub holds {MOST_JOBS} jobs."
        return Decision("failure", f"{text} {TOO_MANY}")
    models, tests = _models(facts, count), _tests(facts)
    if tests is None:
        return models
    if models.state == "success" and tests.state == "success":
        return Decision("success", f"{models.headline} The platform's tests pass.")
    if models.state == "success" and facts.reviewed and tests.state == "pending":
        return Decision("pending", f"{models.headline} {tests.headline}")
    worst = max(models, tests, key=_weight)
    return Decision(worst.state, worst.headline, models.judge)


def _weight(decision: Decision) -> int:
    return ["success", "pending", "error", "failure"].index(decision.state)


def _models(facts: Facts, count: int) -> Decision:
    run, models = facts.training, _counted(count)
    if count == 0:
        return Decision("success", NOTHING)
    if run is not None and run["conclusion"] == "action_required":
        return Decision("pending", "A maintainer must approve the run of this pull request.")
    if run is None or run["status"] != "completed":
        return Decision("pending", f"Training {models} …")
    if run["conclusion"] == "cancelled":
        return Decision("error", "The training was cancelled: run it again, or push.")
    if facts.reviewed is not None:
        return _verdict(facts.reviewed)
    if facts.review_failed:
        return Decision("error", "The review did not end: see its log, and run it again.")
    return Decision("pending", f"Judging {models} …", judge=True)


def _verdict(reviewed: Reviewed) -> Decision:
    failed = [model for model in reviewed.models if model.verdict == "fail"]
    if not failed:
        may = "may go live" if len(reviewed.models) == 1 else "may all go live"
        return Decision("success", f"Pass: {_counted(len(reviewed.models))} {may}.")
    if len(reviewed.models) == 1:
        return Decision("failure", f"Fail: {failed[0].model} must not go live.")
    return Decision(
        "failure", f"Fail: {len(failed)} of {len(reviewed.models)} models must not go live."
    )


def _tests(facts: Facts) -> Decision | None:
    """What the platform's own tests say; None where they are not needed."""
    if facts.scope is None or not facts.scope.platform:
        return None
    run = facts.tests
    if run is None or run["status"] != "completed" or run["conclusion"] == "action_required":
        return Decision("pending", "The platform is touched: waiting for its tests.")
    if run["conclusion"] == "success":
        return Decision("success", "")
    return Decision("failure", "Fail: the platform's own tests did not pass.")


def _counted(count: int) -> str:
    return "1 model" if count == 1 else f"{count:,} models"
