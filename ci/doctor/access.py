"""API keys that end soon, and departments that have none left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.doctor.finding import Finding, spoken
from ci.keys import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.keys import Key
    from ci.repository import Repository

SOON = timedelta(days=14)
OWN = timedelta(hours=2)  # keys of our own calls live for an hour


def access(repository: Repository) -> Iterator[Finding]:
    """For each department and its models the key that lives longest."""
    longest: dict[tuple[str, tuple[str, ...]], Key] = {}
    for key in keys(repository):
        if key.state != "revoked" and _ends(key) - datetime.fromisoformat(key.made) > OWN:
            known = longest.setdefault((key.department, key.models), key)
            if key.expires > known.expires:
                longest[key.department, key.models] = key
    for key in longest.values():
        yield from _about(key)


def _about(key: Key) -> Iterator[Finding]:
    left = _ends(key) - datetime.now(UTC)
    what = f"The key {key.id} of {key.department} for {', '.join(key.models) or 'metrics'}"
    if key.state == "expired":
        problem = f"{what} has expired, and no other takes its place"
        yield Finding("keys", problem, f"mlops keys make {key.department}")
    elif left < SOON:
        problem = f"{what} expires in {spoken(left.total_seconds())}, and no other takes its place"
        yield Finding("keys", problem, f"mlops keys rotate {key.id}")


def _ends(key: Key) -> datetime:
    return datetime.fromisoformat(key.expires)
