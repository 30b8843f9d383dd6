"""The repository on GitHub that a checkout belongs to, inside a workflow and outside of one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.git import git
from ci.github.client import GitHub
from ci.github.context import Context

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

_REMOTE = re.compile(
    r"(?:https?://|ssh://git@|git@)(?P<host>[^/:@]+(:\d+)?)[/:](?P<name>[^/]+/[^/]+?)(\.git)?/?"
)
PUBLIC = "github.com"


def github_of(repository: Repository) -> GitHub:
    """GitHub as this process may use it: the run's token, else ``GITHUB_TOKEN``, else as a guest.

    Raises:
        MlopsError: ``no_github`` where ``origin`` is not a repository on GitHub.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return GitHub(Context.from_environment())
    return GitHub(_context(repository.root))


def _context(root: Path) -> Context:
    try:
        url = git(root, "remote", "get-url", "origin").strip()
    except MlopsError:
        url = ""
    found = _REMOTE.fullmatch(url)
    if not found:
        raise MlopsError(
            "no_github",
            f"{root} is no clone of a repository on GitHub (its remote origin is "
            f"{url or 'unset'}); clone it from there, or set it: git remote set-url origin ADDRESS",
        )
    host = found["host"]
    api = "https://api.github.com" if host == PUBLIC else f"https://{host}/api/v3"
    return Context(
        repository=found["name"],
        api_url=os.environ.get("GITHUB_API_URL", api).rstrip("/"),
        server_url=f"https://{host}",
        token=os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or None,
        event={},
        event_name="",
        sha="",
        ref="",
        actor="",
        run_id=0,
        run_attempt=1,
        workspace=root,
        temp=root / ".mlops",
    )
