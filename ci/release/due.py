"""Which models main asks to be released: all that differ from what is released, minus pins."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.fingerprint import fingerprint, inputs
from ci.git import git
from ci.plan.plan import Touched, touched_models
from ci.state.records import all_released, deployed, pin, released

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository
    from ci.state.records import Deployed, Pin

NO_COMMIT = "0" * 40


@dataclass(frozen=True)
class Due:
    """What a deployment of the checked-out commit has to do.

    ``models`` to release and why, ``pinned`` models with the pin that holds them back, ``deleted``
    models that are released and no longer on main; ``note`` says that the checkout is outdated.
    """

    models: list[Touched]
    pinned: list[Pin]
    deleted: list[str]
    note: str | None = None


@dataclass(frozen=True)
class Request:
    """What started a deployment: a push after ``before``, or a person who ``asked`` for a model.

    ``by`` is that person; ``unpin`` says whether the model's pin is to be passed.
    """

    before: str | None = None
    asked: str | None = None
    by: str | None = None
    unpin: bool = False

    def passes(self, pin: Pin) -> bool:
        """Whether somebody asked to release the pinned model all the same."""
        return self.unpin and self.asked == pin.model


def due(repository: Repository, state: Path, request: Request) -> Due:
    """What the checkout asks for, given the state in the folder ``state``.

    A released model is due when its fingerprint differs from the released one. One that was never
    released is due when it changed since the last deployed commit (or the push, where there was no
    deployment yet), when an earlier deployment owes it, or when a person asked for it by name.

    Raises:
        MlopsError: ``unknown_model`` where the one that was asked for is not on main.
    """
    asked = request.asked
    if asked is not None:
        repository.model_dir(asked)
    last = deployed(state)
    if last is not None and _is_older(repository.root, last.commit):
        return Due([], [], [], f"A newer commit of main, {last.commit[:10]}, is deployed already.")
    names = repository.model_names()
    changed = _changed_since(repository, last.commit if last else request.before)
    found = {name: _reason(repository, state, name, last, changed) for name in names}
    if asked:
        found[asked] = found[asked] or "asked for by name"
    pins = [pin(state, name) for name, why in found.items() if why]
    held = [each for each in pins if each and not request.passes(each) and holds(repository, each)]
    kept = {each.model for each in held}
    models = [Touched(name, why) for name, why in found.items() if why and name not in kept]
    deleted = [each.model for each in all_released(state) if each.model not in names]
    return Due(models, held, deleted)


def holds(repository: Repository, pin: Pin) -> bool:
    """Whether the model's own files are still those that were rolled back from.

    A new lock, other data or another runner bring back the same fault: only a change of the
    model itself passes a pin.
    """
    return own_digest(repository, pin.model) == pin.own


def own_digest(repository: Repository, name: str) -> str:
    """SHA-256, in hex, of the files of the model's folder that people write."""
    prefix = f"models/{name}/"
    own = {
        path: digest for path, digest in inputs(repository, name).items() if path.startswith(prefix)
    }
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def _is_older(root: Path, commit: str) -> bool:
    """Whether what is checked out came before ``commit``: a run of long ago that was run again."""
    head = git(root, "rev-parse", "HEAD").strip()
    return head != commit and _is_ancestor(root, head, commit)


def _is_ancestor(root: Path, old: str, new: str) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", old, new)
    except MlopsError:
        return False
    return True


def _changed_since(repository: Repository, commit: str | None) -> dict[str, str]:
    """Model → why, for the change from ``commit`` to what is checked out; none where unknown."""
    if not commit or commit == NO_COMMIT:
        return {}
    try:
        listed = git(repository.root, "diff", "--name-only", "--no-renames", "-z", commit, "HEAD")
    except MlopsError:  # main was rewritten: what is released is still compared by fingerprint
        return {}
    touched = touched_models(repository, filter(None, listed.split("\0")))
    return {model.name: model.reason for model in touched}


def _reason(
    repository: Repository, state: Path, name: str, last: Deployed | None, changed: dict[str, str]
) -> str | None:
    live = released(state, name)
    if live is None:
        owed = "an earlier deployment did not release it" if last and name in last.owed else None
        return changed.get(name) or owed
    if live.source == fingerprint(repository, name):
        return None
    return changed.get(name) or f"main differs from version {live.version}, which is released"
