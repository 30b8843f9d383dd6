"""The areas that are looked at, one after the other; a broken one does not hide the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.doctor.access import access
from ci.doctor.declared import declared
from ci.doctor.finding import Finding
from ci.doctor.locks import locks
from ci.doctor.machine import database, disk, toolchains
from ci.doctor.services import services
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci.repository import Repository

LONGEST_REASON = 300
# What each looks at, in the order in which it is said.
AREAS: dict[str, Callable[[Repository], Iterator[Finding]]] = {
    "toolchains": toolchains,
    "disk": disk,
    "database": database,
    "services": services,
    "declared": declared,
    "locks": locks,
    "keys": access,
}


def examine(repository: Repository) -> list[Finding]:
    """All that is wrong; empty where all is well."""
    return [finding for area in AREAS for finding in _look(area, repository)]


def _look(area: str, repository: Repository) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(AREAS[area](repository))
    except MlopsError as error:  # it says what to type
        found.append(Finding(area, error.message.rstrip("."), None))
    except Exception as error:  # whatever is damaged, the other areas are looked at
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
        problem = f"The area {area} can't be looked at ({reason})"
        found.append(Finding(area, problem, "ls -la .mlops"))
    return found
