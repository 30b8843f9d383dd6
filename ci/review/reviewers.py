"""Asks the owners for a review once the verdict is in: an edited comment notifies nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.console import say
from ci.contract.access import PLATFORM, AccessPolicy
from ci.contract.policy import load_policy
from ci.github.client import GitHubError
from ci.github.pulls import request_reviewers, reviews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.repository import Repository
    from ci.review.look import Look


def ask(github: GitHub, repository: Repository, found: Look) -> list[str]:
    """Ask those members of the owning teams who were not asked yet; returns whom GitHub took.

    CODEOWNERS is written from the same teams, so its owners are asked as well. A refusal of GitHub
    (somebody who is no collaborator) is said and is no failure.
    """
    if found.pull.get("draft"):
        return []
    access = load_policy(repository, AccessPolicy)
    wanted = _members(access, _owners(found))
    done = _lower([found.pull["user"]["login"], *_already(github, found.pull, found.sha)])
    return [login for login in wanted if login.lower() not in done and _asked(github, found, login)]


def _owners(found: Look) -> list[str]:
    reviewed, scope = found.facts.reviewed, found.facts.scope
    owners = {model.owner for model in reviewed.models if model.owner} if reviewed else set()
    return sorted(owners | ({PLATFORM} if scope and scope.platform else set()))


def _members(access: AccessPolicy, teams: list[str]) -> list[str]:
    members = [
        each for team in teams if team in access.teams for each in access.teams[team].members
    ]
    return list(dict.fromkeys(members))


def _already(github: GitHub, pull: Pull, sha: str) -> list[str]:
    """Who was asked and has not answered, or has reviewed this very commit."""
    asked = [each["login"] for each in pull.get("requested_reviewers") or []]
    given = [
        each["user"]["login"]
        for each in reviews(github, pull["number"])
        if each["user"] and each["commit_id"] == sha
    ]
    return [*asked, *given]


def _asked(github: GitHub, found: Look, login: str) -> bool:
    try:
        request_reviewers(github, found.number, [login])
    except GitHubError as error:
        say(f"{login} was not asked for a review: {error.message}")
        return False
    return True


def _lower(logins: Iterable[str]) -> set[str]:
    return {login.lower() for login in logins}
