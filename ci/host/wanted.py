"""What a host has to run: what is in production, held against the events that led there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.heads import seen
from ci.events.log import released_log
from ci.events.standing import PRODUCTION, Standing, standings
from ci.events.verify import verify
from ci.host.pins import pending
from ci.state.local import state_folder, was_edited
from ci.state.records import all_released, pin, released, versions

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import Host
    from ci.repository import Repository
    from ci.state.records import Pin, Release


@dataclass(frozen=True)
class Wanted:
    """A version to run. ``held`` is the pin that keeps it: going there waits for nobody."""

    release: Release
    held: Pin | None


def wanted(repository: Repository, host: Host) -> dict[str, Wanted | MlopsError]:
    """Model to what ``host`` has to run of it, or why that can't be believed.

    A model that was never released is not in it.

    Raises:
        MlopsError: ``state_edited`` where none of it can be believed; ``bad_state``.
    """
    if was_edited(repository):
        raise MlopsError(
            "state_edited",
            "The files in .mlops/state were changed by hand, and the remote could not be asked for "
            "them; what runs goes on, and nothing else is served until the remote answers again.",
        )
    state = state_folder(repository)
    names = [each.model for each in all_released(state) if host.has(each.model)]
    try:
        known = _events(repository, state)
    except MlopsError as error:
        return dict.fromkeys(names, error)
    found: dict[str, Wanted | MlopsError] = {}
    for name in names:
        try:
            found[name] = _wanted(repository, state, name, known.get(name, Standing()))
        except MlopsError as error:
            found[name] = error
    return found


def _events(repository: Repository, state: Path) -> dict[str, Standing]:
    log, head = released_log(state), seen(repository.state_dir)
    findings = verify(log, [head] if head else []).findings
    if findings:
        raise MlopsError(
            "broken_chain",
            f"The events on mlops-state can't be believed ({findings[0].problem}), so that nothing "
            "new is served; type: mlops audit verify",
        )
    return standings(log.events())


def _wanted(repository: Repository, state: Path, name: str, standing: Standing) -> Wanted:
    here = pending(repository).get(name)
    if here:
        held = next((each for each in versions(state, name) if each.version == here.version), None)
        if held:
            return Wanted(_believed(held, standing), here)
    live = released(state, name)
    assert live is not None  # noqa: S101 (it is one of those that are released)
    if standing.aliases.get(PRODUCTION) != live.version:
        raise _unbelievable(live, "its events have another version in production")
    there = pin(state, name)
    return Wanted(
        _believed(live, standing), there if there and there.version == live.version else None
    )


def believed(repository: Repository, release: Release) -> Release:
    """``release``, if the events say the same of it.

    Raises:
        MlopsError: ``record_differs`` or ``broken_chain``.
    """
    known = _events(repository, state_folder(repository))
    return _believed(release, known.get(release.model, Standing()))


def _believed(release: Release, standing: Standing) -> Release:
    lineage = standing.versions.get(release.version)
    told = (lineage.digest, lineage.bento, lineage.fingerprint) if lineage else None
    if told != (release.digest, release.bento, release.fingerprint):
        raise _unbelievable(release, "its record names another Bento than the event of its release")
    return release


def _unbelievable(release: Release, why: str) -> MlopsError:
    return MlopsError(
        "record_differs",
        f"Version {release.version} of {release.model} is not served, since {why}: the branch "
        "mlops-state was changed by hand; restore it from the branch's history.",
    )
