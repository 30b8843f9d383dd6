"""Issues that are kept in step with a condition: one while it holds, closed when it does not.

Which issue belongs to which condition stands in a comment on its first line that nobody sees.
Only issues that a workflow opened count, so that nobody can put another in its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci.github import issues
from ci.github.comment import AUTHOR

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.issues import Issue

_MARK = re.compile(r"<!-- kronkers ([\w./-]+) -->\r?\n")
KEY = re.compile(r"[\w./]+(-[\w./]+)*")  # no --, which would end the comment


def kept_issues(github: GitHub, label: str) -> dict[str, Issue]:
    """Key → issue of every condition that ever held; an open one goes before a closed one."""
    query = {"state": "all", "labels": label}
    found: dict[str, Issue] = {}
    for each in github.paginate(f"{github.repo}/issues", query):
        key = _key_of(each)
        if key and (key not in found or _order(each) > _order(found[key])):
            found[key] = each
    return found


def keep_open(
    github: GitHub, known: dict[str, Issue], key: str, label: str, title: str, body: str
) -> Issue:
    """The one open issue of ``key``, saying ``title`` and ``body``.

    Raises:
        ValueError: a key that could not stand in a comment.
    """
    if not KEY.fullmatch(key):
        raise ValueError(key)
    marked = f"<!-- kronkers {key} -->\n{body}"
    there = known.get(key)
    if there is None:
        return issues.create(github, title, marked, [label])
    return issues.update(github, there["number"], title=title, body=marked, state="open")


def close(github: GitHub, issue: Issue, reason: str) -> None:
    """Close ``issue`` with a comment; one that is closed already stays as it is."""
    if issue["state"] == "open":
        issues.comment(github, issue["number"], reason)
        issues.update(github, issue["number"], state="closed", state_reason="completed")


def _key_of(issue: Issue) -> str | None:
    author = (issue.get("user") or {}).get("login")
    if author != AUTHOR or "pull_request" in issue:
        return None
    found = _MARK.match(issue.get("body") or "")
    return found[1] if found else None


def _order(issue: Issue) -> tuple[bool, int]:
    return issue["state"] == "open", issue["number"]
