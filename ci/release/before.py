"""The version that a live one took the place of: where a rollback goes that names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.log import released_log
from ci.state.records import versions

if TYPE_CHECKING:
    from pathlib import Path

    from ci.state.records import Release


def version_before(state: Path, name: str, live: int) -> Release:
    """What version ``live`` took the place of when it was released, by the files in ``state``.

    Not one that came later, as after the rollback of a version above it; nor one in between that
    was rolled back before ``live`` came. Where that is not told, the next lower number.

    Raises:
        MlopsError: ``no_previous``.
    """
    lower = {each.version: each for each in versions(state, name) if each.version < live}
    if not lower:
        raise MlopsError(
            "no_previous",
            f"{name} has no version before {live} to go back to; `mlops stop {name}` takes it out "
            "of service.",
        )
    try:
        events = released_log(state).events()
    except MlopsError:
        events = []
    told = [
        each.before
        for each in events
        if (each.kind, each.model, each.version) == ("promoted", name, live)
        and each.before in lower
    ]
    return lower[told[-1] if told else max(lower)]
