"""Finds the pull request that an event is about, and all that is known of its newest commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.github.pulls import pull_of_head
from ci.github.runs import runs_of_head
from ci.review.decide import Facts
from ci.review.scope import scope_of
from ci.review.source import Source, fetch, source
from ci.review.trusted import find_reviewed

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.github.runs import Run
    from ci.repository import Repository

TRAINING = "pull-request.yml"
TESTS = "platform.yml"
# The second is how the checks of a bot's pull request are started.
EVENTS = ("pull_request", "workflow_dispatch")
NOT_LOOKED_AT = "see that each is as the documentation has it, and push again."
UNREADABLE = ("merge_conflict", "state_in_git", "too_large")


@dataclass(frozen=True)
class Look:
    """A pull request's newest commit; ``source`` is None where it can't be merged."""

    pull: Pull
    sha: str
    source: Source | None
    facts: Facts
    body: str = ""

    @property
    def number(self) -> int:
        """The pull request's number."""
        return int(self.pull["number"])


def find_pull(github: GitHub) -> Pull | None:
    """The open pull request into the default branch whose head is the event's commit.

    The event is of a run of pull-request.yml or platform.yml; a fork's run names no pull request,
    so the open ones from its branch are looked through.
    """
    run = github.context.event["workflow_run"]
    home = run.get("head_repository") or {}
    if run["event"] not in EVENTS or not home:
        return None
    found = pull_of_head(github, home["owner"]["login"], run["head_branch"], run["head_sha"])
    default = github.context.event["repository"]["default_branch"]
    return found if found and found["base"]["ref"] == default else None


def look(
    github: GitHub, repository: Repository, pull: Pull, scratch: Path, *, fresh: bool = False
) -> Look:
    """What is known of ``pull``.

    Args:
        github: the API.
        repository: checkout of the default branch.
        pull: the pull request.
        scratch: folder for its files.
        fresh: whether an earlier review of the same run does not count.

    Raises:
        MlopsError: ``outdated_head`` where the pull request has moved on; ``git_failed``.
    """
    sha = str(pull["head"]["sha"])
    fetch(repository, int(pull["number"]), sha)
    try:
        merged = source(repository, sha, scratch / "merged")
        facts = Facts(scope_of(repository, merged))
    except MlopsError as error:
        if error.code not in UNREADABLE:
            raise
        return Look(pull, sha, None, Facts(None, problem=error.message))
    except Exception as error:  # what strangers pushed must not leave them without an answer
        problem = f"Its files can't be looked at ({type(error).__name__}): {NOT_LOOKED_AT}"
        return Look(pull, sha, None, Facts(None, problem=problem))
    if facts.scope and facts.scope.models:
        facts = replace(facts, training=_newest(github, pull, TRAINING))
    if facts.scope and facts.scope.platform:
        facts = replace(facts, tests=_newest(github, pull, TESTS))
    ended = facts.training and facts.training["status"] == "completed"
    found = find_reviewed(github, sha, facts.training) if ended and not fresh else None
    if found is None:
        return Look(pull, sha, merged, facts)
    return Look(pull, sha, merged, replace(facts, reviewed=found[0]), found[1])


def _told(github: GitHub, run: Run) -> Run:
    """``run``, or the event's word of it: the list of runs may not know yet that it has ended."""
    event = github.context.event["workflow_run"]
    ended = event["id"] == run["id"] and event["status"] == "completed"
    return event if ended and event["run_attempt"] >= run["run_attempt"] else run


def _newest(github: GitHub, pull: Pull, workflow: str) -> Run | None:
    """The newest run of ``workflow`` that the pull request's newest commit started."""
    home = (pull["head"]["repo"] or {}).get("full_name")
    runs = [
        run
        for run in runs_of_head(github, pull["head"]["sha"], workflow)
        if run["event"] in EVENTS
        and (run.get("head_repository") or {}).get("full_name") == home
        and run["head_branch"] == pull["head"]["ref"]
    ]
    newest = max(runs, key=lambda run: int(run["id"]), default=None)
    return _told(github, newest) if newest else None
