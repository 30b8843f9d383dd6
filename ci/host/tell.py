"""Events of this host: in its own log first, and on the state branch when that can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.actor import whoever
from ci.errors import MlopsError
from ci.events.event import Draft
from ci.events.log import head_of, own_log
from ci.host.place import me
from ci.release.reviewers import tell_reviewers
from ci.release.tell import WENT_BACK, tell_or_say
from ci.targets import local

if TYPE_CHECKING:
    from typing import Literal

    from ci.events.event import Event
    from ci.repository import Repository
    from ci.state.records import Release

KINDS = ("served", "withdrawn", "failed")
QUIET = ("busy", "cut_off")


def tell_served(
    repository: Repository, release: Release, reason: str, seconds: float | None = None
) -> None:
    """Callers reach ``release`` here."""
    draft = _draft(repository, "served", release.model, release.version, reason)
    tell_or_say(repository, draft.model_copy(update={"seconds": seconds}))
    local.told(repository, release.model)


def tell_failed(repository: Repository, release: Release, reason: str, error: MlopsError) -> None:
    """It could not be served here; the same failure is told once until something else happens."""
    if error.code in QUIET:
        return
    draft = _draft(repository, "failed", release.model, release.version, reason)
    draft = draft.model_copy(update={"code": error.code, "detail": error.message})

    def drafts(known: list[Event]) -> list[Draft]:
        last = next((each for each in reversed(known) if each.model == draft.model), None)
        same = last and (last.kind, last.version, last.code) == (
            "failed",
            draft.version,
            error.code,
        )
        return [] if same else [draft]

    try:
        told = own_log(repository).decide(drafts)
    except MlopsError:
        return  # the failure itself is said
    if told and error.code in WENT_BACK:
        tell_reviewers(repository, draft)


def tell_withdrawn(repository: Repository, model: str, version: int | None, reason: str) -> None:
    """It is no longer served here."""
    tell_or_say(repository, _draft(repository, "withdrawn", model, version, reason))


def untold(repository: Repository, reported: str | None) -> tuple[list[Draft], str | None]:
    """Events after the head ``reported`` as drafts for another log, and the newest head."""
    events = own_log(repository).events()
    names = Draft.model_fields
    drafts = [
        Draft.model_validate({**each.model_dump(include=set(names)), "since": each.at.isoformat()})
        for each in after(events, reported)
        if each.kind in KINDS
    ]
    return drafts, head_of(events[-1]) if events else None


def after(events: list[Event], reported: str | None) -> list[Event]:
    """Those of this machine's ``events`` that a host made after the head ``reported``."""
    places = {head_of(event): place for place, event in enumerate(events, 1)}
    return [event for event in events[places.get(reported or "", 0) :] if event.host]


def _draft(
    repository: Repository,
    kind: Literal["served", "withdrawn", "failed"],
    model: str,
    version: int | None,
    reason: str,
) -> Draft:
    own = me(repository)
    return Draft(
        kind=kind,
        model=model,
        actor=whoever(),
        reason=reason,
        version=version,
        host=own.name if own else None,
    )
