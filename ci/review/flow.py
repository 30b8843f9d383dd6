"""The steps of report.yml that write to GitHub: announce and publish.

Each looks at the pull request as it is now, so an event that was lost, came twice or came late
changes nothing: the last one to run says what is true.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.contract.model import PREDICT_FILES
from ci.errors import MlopsError
from ci.files import read_yaml_quickly
from ci.github import comment, pulls, statuses
from ci.github.client import GitHubError
from ci.github.workflow import add_summary
from ci.review.comment import Links, final, waiting
from ci.review.cost import cost_of
from ci.review.decide import Decision, decide
from ci.review.look import Look, find_pull, look
from ci.review.notices import notices_block
from ci.review.retrained import no_gain
from ci.review.reviewers import ask
from ci.review.trusted import find_page

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.repository import Repository


def announce(github: GitHub, repository: Repository) -> dict[str, str]:
    """Say what is known before anything is judged; returns the outputs of the step.

    ``judge`` is ``true`` where a review must follow, ``sha`` its commit, ``languages`` what the
    champions need, ``models`` the touched models that are on the default branch.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = _found(github, repository, Path(scratch))
        if found is None:
            return {"judge": "false"}
        decision = decide(found.facts)
        publish_decision(github, repository, found, decision)
        names = found.facts.scope.names if found.facts.scope else []
    there = [name for name in names if (repository.models_dir / name / "model.yaml").is_file()]
    return {
        "judge": "true" if decision.judge else "false",
        "sha": found.sha,
        "models": " ".join(there),
        "languages": " ".join(sorted({_language(repository, name) for name in there})),
    }


def _language(repository: Repository, name: str) -> str:
    contract = read_yaml_quickly(repository.models_dir / name / "model.yaml")
    language = str(contract.get("language"))
    return language if language in PREDICT_FILES else "python"


def publish(github: GitHub, repository: Repository) -> None:
    """Say what the review found: comment, status, summary, and reviewers are asked."""
    with tempfile.TemporaryDirectory() as scratch:
        found = _found(github, repository, Path(scratch), review_must_be_there=True)
        if found is not None:
            publish_decision(github, repository, found, decide(found.facts))


def _found(
    github: GitHub, repository: Repository, scratch: Path, *, review_must_be_there: bool = False
) -> Look | None:
    pull = find_pull(github)
    if pull is None:
        say("No open pull request into the default branch has this commit as its head.")
        return None
    again = github.context.run_attempt > 1 and not review_must_be_there
    try:
        found = look(github, repository, pull, scratch, fresh=again)
    except MlopsError as error:
        if error.code != "outdated_head":
            raise
        say(error.message)
        return None
    if review_must_be_there and found.facts.reviewed is None:
        return replace(found, facts=replace(found.facts, review_failed=True))
    return found


def publish_decision(
    github: GitHub, repository: Repository, found: Look, decision: Decision
) -> None:
    """Comment and status, unless the pull request has moved on since it was looked at."""
    now = pulls.pull(github, found.number)
    if now["head"]["sha"] != found.sha or now["state"] != "open":
        say("The pull request has moved on: what is known of this commit is not published.")
        return
    text = _comment(github, now, found, decision)
    if text is not None:
        comment.post_comment(github, found.number, text)
        add_summary(text)
    statuses.set_status(
        github, found.sha, decision.state, decision.headline, github.context.run_url
    )
    if no_gain(now, found.facts.reviewed):
        say("A retraining that is not better: nobody is asked for a review.")
    elif found.facts.reviewed is not None or _only_platform(found):
        ask(github, repository, replace(found, pull=now))


def _comment(github: GitHub, pull: Pull, found: Look, decision: Decision) -> str | None:
    """The comment that is due; None where nothing is touched and nothing was ever said."""
    scope = found.facts.scope
    old = comment.report_comment(github, found.number)
    old_text = comment.without_watermark(old["body"]) if old else None
    untouched = scope is not None and not (scope.models or scope.platform or scope.notices)
    if untouched and old_text is None:
        return None
    now, reviewed = datetime.now(UTC), found.facts.reviewed
    when = reviewed.judged_at if reviewed else f"{now:%Y-%m-%d %H:%M} UTC"
    page = find_page(github, found.sha) if reviewed else None
    links = Links(f"{pull['html_url']}/files", github.context.run_url, page)
    if _is_waiting(found, decision):
        return waiting(decision, found.sha, when, links, old_text)
    body = "\n\n".join(filter(None, [no_gain(pull, reviewed), _body(found)]))
    return final(decision, found.sha, when, body, links, _cost(github, pull, found, now))


def _is_waiting(found: Look, decision: Decision) -> bool:
    """Whether there is nothing to report yet, beyond what is waited for."""
    return (
        decision.state == "pending" and found.facts.reviewed is None and not _only_platform(found)
    )


def _only_platform(found: Look) -> bool:
    scope = found.facts.scope
    return scope is not None and not scope.models and bool(scope.platform)


def _body(found: Look) -> str:
    if found.facts.reviewed is not None:
        return found.body
    return notices_block(found.facts.scope.notices) if found.facts.scope else ""


def _cost(github: GitHub, pull: Pull, found: Look, now: datetime) -> str:
    runs = [run for run in (found.facts.training, found.facts.tests) if run]
    try:
        return cost_of(github, pull, runs, github.context.run_id, now).sentence()
    except GitHubError as error:  # nobody waits for a verdict because of this
        say(error.message)
        return "What it cost could not be read from GitHub."
