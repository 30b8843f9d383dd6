"""Commit statuses: the one required status of a pull request is ``verdict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ci.github.client import GitHub

CONTEXT = "verdict"
DESCRIPTION_CHARACTERS = 140
State = Literal["error", "failure", "pending", "success"]


def set_status(
    github: GitHub, sha: str, state: State, description: str, url: str, context: str = CONTEXT
) -> None:
    """Set the status ``context`` of a commit; a long description is cut to what GitHub takes."""
    body = {"state": state, "context": context, "target_url": url, "description": _cut(description)}
    github.post(f"{github.repo}/statuses/{sha}", body)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= DESCRIPTION_CHARACTERS:
        return line
    return f"{line[: DESCRIPTION_CHARACTERS - 1]}…"
