"""Issues."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ci.github.client import ATTEMPTS, FIRST_WAIT_SECONDS, GitHubError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.github.client import GitHub

Issue = dict[str, Any]


def open_issues(github: GitHub, label: str) -> list[Issue]:
    """Open issues with that label, newest first; pull requests are left out."""
    query = {"state": "open", "labels": label}
    found = github.paginate(f"{github.repo}/issues", query)
    return [each for each in found if "pull_request" not in each]


def create(github: GitHub, title: str, body: str, labels: Sequence[str]) -> Issue:
    """Open an issue; labels that do not exist yet are made by GitHub.

    Where an answer is lost, an open issue of that title and first label is looked for before
    another is made.
    """
    asked = {"title": title, "body": body, "labels": list(labels)}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            made: Issue = github.post(f"{github.repo}/issues", asked, once=True)
        except GitHubError as error:
            refused = error.status is not None and error.status < 500
            if refused or attempt == ATTEMPTS:
                raise
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
            for each in open_issues(github, labels[0]):
                if each["title"] == title:
                    return each
        else:
            return made
    raise AssertionError


def update(github: GitHub, number: int, **changes: str) -> Issue:
    """Change ``title``, ``body``, ``state`` (open, closed) or ``state_reason`` of an issue."""
    changed: Issue = github.patch(f"{github.repo}/issues/{number}", changes)
    return changed


def comment(github: GitHub, number: int, body: str) -> None:
    """Add a comment."""
    github.post(f"{github.repo}/issues/{number}/comments", {"body": body})
