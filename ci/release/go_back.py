"""Rolling back a released model: declared in the state, with nothing built or trained.

The previous version is in production again and pinned there; a pull request takes the model's
files on main back, too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.assets.bentos import has_asset
from ci.errors import MlopsError
from ci.registry.change import Pointed, Why, declare, follow, moved, pointed, tell
from ci.registry.store import has_server
from ci.release.before import version_before
from ci.release.due import own_digest
from ci.release.revert import WentBack
from ci.report.markdown import plain
from ci.state.branch import StateBranch
from ci.state.local import registry_of
from ci.state.records import Pin, put_in_production, released, versions, write_pin
from ci.trust.signing import require_signed

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.repository import Repository
    from ci.state.records import Release

GONE = "not on main"


def said(done: WentBack) -> str:
    """Markdown for the page of the run: what is in production now, and what to type where."""
    model, now = done.now.model, done.now.version
    return (
        f"## {plain(model)} is back at version {now}\n\nIt was at version {done.left.version}. "
        f"Reason: {plain(done.pin.reason)}. Deployments leave it alone until the files of "
        f"`models/{model}` change on main, or deploy.yml is run with this model and `unpin`.\n\n"
        "Hosts follow within a minute; `mlops status --fetch` in any clone shows what they run."
    )


def number_of(text: str) -> int | None:
    """The version that a person typed, such as 3 or v3; None where nothing was typed.

    Raises:
        MlopsError: ``bad_version``.
    """
    typed = text.strip().removeprefix("v")
    if not typed:
        return None
    if not typed.isdecimal():
        raise MlopsError("bad_version", f"{text!r} is no version; give a number, such as 3.")
    return int(typed)


def go_back(
    repository: Repository, github: GitHub, model: str, version: int | None, reason: str, by: str
) -> WentBack:
    """Put ``version`` of ``model``, or what the current one replaced, in production and pin it.

    Raises:
        MlopsError: ``not_released``, ``no_previous``, ``unknown_version``, ``already_live``,
            ``lost_bento`` or ``not_signed``; nothing has changed then.
    """
    own = own_digest(repository, model) if model in repository.model_names() else GONE

    def change(state: Path) -> tuple[WentBack, Pointed]:
        left = released(state, model)
        if left is None:
            raise MlopsError(
                "not_released", f"{model} was never released; there is nothing to undo."
            )
        now = _target(state, left, version)
        if not has_asset(github, now):
            raise MlopsError(
                "lost_bento",
                f"Release {now.tag} of {model} no longer has its Bento, so that production stays "
                f"at version {left.version}; choose another version.",
            )
        require_signed(repository, now)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        pin = Pin(
            model=model,
            version=now.version,
            left=left.version,
            own=own,
            reason=reason,
            by=by,
            at=at,
        )
        to = put_back(state, now, pin, Why(reason, by, github.context.run_url))
        return WentBack(left, now, pin), to

    done, to = StateBranch(repository.root).update(f"Roll back {model}: {reason[:60]}", change)
    if has_server():
        follow(repository, model, to)
    return done


def put_back(
    state: Path, now: Release, pin: Pin, why: Why, since: str | None = None, host: str | None = None
) -> Pointed:
    """Put ``now`` in production in the folder ``state`` and pin it there.

    ``since`` is when it happened on ``host``, where that is told of later.
    """
    more = {"since": since, "host": host}
    with registry_of(state) as registry:
        back = moved("rolled_back", now.model, now.version, why)
        declare(registry, back.model_copy(update=more))
        held = moved("pinned", now.model, now.version, why)
        tell(registry, held.model_copy(update=more))
        to = pointed(registry, now.model)
        if not has_server():
            follow(registry, now.model)
    put_in_production(state, now.model_copy(update={"events_head": to.head}))
    write_pin(state, pin)
    return to


def _target(state: Path, left: Release, version: int | None) -> Release:
    """The version to go back to."""
    if version is None:
        return version_before(state, left.model, left.version)
    if version == left.version:
        raise MlopsError(
            "already_live", f"Version {version} of {left.model} is in production already."
        )
    known = versions(state, left.model)
    for each in known:
        if each.version == version:
            return each
    there = ", ".join(str(each.version) for each in known)
    raise MlopsError(
        "unknown_version", f"{left.model} has no released version {version}; there are: {there}."
    )
