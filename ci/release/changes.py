"""What came to main for a model since it was released: by pull requests, and by direct pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.git import git
from ci.github.pulls import pulls_of_commit
from ci.plan.plan import touched_models
from ci.release.approvals import Change
from ci.state.records import deployed, released

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.release.due import Request
    from ci.repository import Repository


def change_of(
    repository: Repository, github: GitHub, state: Path, name: str, request: Request
) -> tuple[Change, list[Pull]]:
    """The change of ``name`` between its release (or the last deployment) and the checkout.

    The pull requests come with it, newest first. Where main was rewritten since, its newest
    commit stands for all that can't be told.
    """
    start = _start(state, name, request.before)
    head = git(repository.root, "rev-parse", "HEAD").strip()
    try:
        commits = _commits(repository, name, start)
    except MlopsError:
        commits = [head]
    found: dict[int, Pull] = {}
    direct = []
    for commit in commits:
        brought = [pull for pull in pulls_of_commit(github, commit) if _came_to_main(pull, github)]
        found |= {pull["number"]: pull for pull in brought}
        direct += [] if brought else [commit]
    return Change(list(found), direct), list(found.values())


def _start(state: Path, name: str, before: str | None) -> str | None:
    """The commit up to which the model was dealt with; None where nobody knows of one."""
    live, last = released(state, name), deployed(state)
    if live is not None:
        return live.commit
    if last is not None:
        return last.owed.get(name, last.commit)
    return before


def _commits(repository: Repository, name: str, start: str | None) -> list[str]:
    """Commits of main after ``start`` that touch the model, newest first."""
    if start is None:
        return []
    listed = git(repository.root, "rev-list", "--first-parent", f"{start}..HEAD").split()
    return [commit for commit in listed if _touches(repository, name, commit)]


def _touches(repository: Repository, name: str, commit: str) -> bool:
    files = git(
        repository.root, "diff", "--name-only", "--no-renames", "-z", f"{commit}^1", commit
    ).split("\0")
    return any(model.name == name for model in touched_models(repository, filter(None, files)))


def _came_to_main(pull: dict[str, Any], github: GitHub) -> bool:
    """Whether it was merged, and not into another branch or from a commit that main had."""
    branch = github.context.ref.removeprefix("refs/heads/")
    return bool(pull.get("merged_at")) and pull["base"]["ref"] == branch
