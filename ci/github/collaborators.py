"""Who may write to the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.github.client import GitHub


def writers(github: GitHub) -> set[str]:
    """Handles of people who may push to the repository, in lower case; bots are left out."""
    found = github.paginate(f"{github.repo}/collaborators")
    return {each["login"].lower() for each in found if _may_write(each)}


def _may_write(person: dict[str, object]) -> bool:
    permissions = person.get("permissions")
    may = isinstance(permissions, dict) and bool(permissions.get("push"))
    return may and person.get("type") != "Bot"
