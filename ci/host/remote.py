"""What a host pulls: the files of main and the state branch, each only when it has changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ci.contract.access import AccessPolicy
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.host.place import folder
from ci.repository import Repository
from ci.state.branch import StateBranch, default_branch
from ci.state.local import fetch, is_at, state_folder

MAIN = "main"


def pull(repository: Repository) -> MlopsError | None:
    """Bring main and the state here; returns what is wrong with main's policies, if anything.

    Raises:
        MlopsError: ``state_unreachable``; what was brought before is still there.
    """
    problem = _pull_main(repository)
    pull_state(repository)
    return problem


def pull_state(repository: Repository) -> None:
    """Bring the state branch here, if it has changed, or somebody changed the files here.

    Raises:
        MlopsError: ``state_unreachable``.
    """
    put_back_state(repository)
    if not is_at(repository, StateBranch(repository.root).head()):
        fetch(repository)


def put_back_state(repository: Repository) -> None:
    """Finish a fetch that was cut off between the two renames at its end."""
    state = state_folder(repository)
    for left in sorted(repository.state_dir.glob("state-*")):
        if not state.exists() and (left / "old").is_dir():
            (left / "old").rename(state)
        shutil.rmtree(left, ignore_errors=True)


def _pull_main(repository: Repository) -> MlopsError | None:
    """Replace the copy of main where that has valid policies; else go on with the old ones."""
    branch = StateBranch(repository.root, branch=default_branch(repository.root))
    head, link = branch.head(), folder(repository) / MAIN
    if head is None:
        return MlopsError(
            "no_main", f"The remote has no branch {branch.branch} yet; push it: git push origin"
        )
    if link.is_symlink() and link.readlink().name == f"{MAIN}-{head}":
        return None
    link.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=link.parent, prefix="fresh-") as directory:
        fresh = Path(directory, "files")
        commit = branch.checkout(fresh)
        try:
            for kind in (DeploymentPolicy, AccessPolicy):
                load_policy(Repository(fresh), kind)
        except MlopsError as error:
            return error
        place = link.with_name(f"{MAIN}-{commit}")
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    _point(link, place)
    return None


def _point(link: Path, place: Path) -> None:
    """Have ``link`` lead to ``place``: whoever follows it finds the old files or the new."""
    draft = link.with_name(f"{MAIN}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(place.name)
    draft.replace(link)
    for other in link.parent.glob(f"{MAIN}-*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
