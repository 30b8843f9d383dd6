"""Pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.github import issues
from ci.github.client import GitHubError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.github.client import GitHub

Pull = dict[str, Any]


def pull(github: GitHub, number: int) -> Pull:
    """The pull request with that number."""
    found: Pull = github.get(f"{github.repo}/pulls/{number}")
    return found


def pull_of_head(github: GitHub, owner: str, branch: str, sha: str) -> Pull | None:
    """The open pull request from ``owner``'s ``branch`` whose head is exactly ``sha``.

    A fork's commit has no pull request in the commits API, so the open ones are listed.
    """
    query = {"state": "open", "head": f"{owner}:{branch}"}
    found = github.paginate(f"{github.repo}/pulls", query)
    return next((each for each in found if each["head"]["sha"] == sha), None)


def pulls_of_commit(github: GitHub, sha: str) -> list[Pull]:
    """Pull requests that brought ``sha`` into the repository; none for a direct push."""
    return list(github.paginate(f"{github.repo}/commits/{sha}/pulls"))


def open_pulls(github: GitHub, head: str | None = None) -> list[Pull]:
    """Open pull requests, or those from ``head`` (owner:branch)."""
    query = {"state": "open", **({"head": head} if head else {})}
    return list(github.paginate(f"{github.repo}/pulls", query))


def refused(github: GitHub, head: str) -> Pull | None:
    """The newest closed pull request from ``head`` (owner:branch), where it was not merged."""
    query = {"state": "closed", "head": head, "sort": "created", "direction": "desc"}
    newest = next(iter(github.paginate(f"{github.repo}/pulls", query)), None)
    return newest if newest and not newest["merged_at"] else None


def has_pull(github: GitHub, branch: str) -> bool:
    """Whether there is or was a pull request from our own ``branch``, open or closed."""
    query = {"state": "all", "head": f"{github.context.owner}:{branch}"}
    return any(True for _ in github.paginate(f"{github.repo}/pulls", query))


def create(github: GitHub, head: str, base: str, title: str, body: str) -> Pull:
    """Open a pull request; where one from ``head`` is open already, it is that one."""
    asked = {"head": head, "base": base, "title": title, "body": body}
    try:
        made: Pull = github.post(f"{github.repo}/pulls", asked)
    except GitHubError:
        whole = head if ":" in head else f"{github.context.owner}:{head}"
        found = open_pulls(github, whole)
        if not found:
            raise
        return found[0]
    return made


def reviews(github: GitHub, number: int) -> list[dict[str, Any]]:
    """Reviews, oldest first: ``user.login``, ``state``, ``commit_id``, ``submitted_at``."""
    return list(github.paginate(f"{github.repo}/pulls/{number}/reviews"))


def request_reviewers(
    github: GitHub, number: int, users: Sequence[str], teams: Sequence[str] = ()
) -> None:
    """Ask for reviews; those who were asked already are notified again only by GitHub's rules."""
    if users or teams:
        body = {"reviewers": list(users), "team_reviewers": list(teams)}
        github.post(f"{github.repo}/pulls/{number}/requested_reviewers", body)


def update(github: GitHub, number: int, title: str, body: str) -> Pull:
    """Change title and text of a pull request."""
    changed: Pull = github.patch(f"{github.repo}/pulls/{number}", {"title": title, "body": body})
    return changed


def close(github: GitHub, number: int, reason: str) -> None:
    """Close a pull request with a comment."""
    issues.comment(github, number, reason)
    github.patch(f"{github.repo}/pulls/{number}", {"state": "closed"})
