"""The commit that has the files that a candidate was trained from: versions are rebuilt from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.fingerprint import source_files
from ci.git import differing, head_commit

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.repository import Repository

NO_DETERMINANTS = (":(exclude)*README.md", ":(exclude)*dvc.lock")


def commit_of(repository: Repository, contract: ModelContract, trained: str | None) -> str | None:
    """``trained``, the commit at the training, if it has the files as they stand here.

    Else the one that is checked out: people often train before they commit. Where neither has them,
    that is said, and ``trained`` is what is known.
    """
    head, paths = head_commit(repository.root), _paths(repository, contract)
    if head is None or (trained and _has(repository, trained, paths)):
        return trained
    uncommitted = differing(repository.root, head, paths)
    if not uncommitted:
        return head
    say(
        f"{contract.name}: {uncommitted[0]} is not committed as it is, so that no commit can build "
        "this version again; commit before the next deployment."
    )
    return trained


def _has(repository: Repository, commit: str, paths: list[str]) -> bool:
    try:
        return not differing(repository.root, commit, paths)
    except MlopsError:  # a commit that is gone, as after a rebase
        return False


def _paths(repository: Repository, contract: ModelContract) -> list[str]:
    """What people write of all that determines a candidate."""
    models = (contract.name, *contract.depends_on)
    files = [file for name in models for file in source_files(repository.model_dir(name))]
    data = [f"data/{name}" for name in contract.datasets]
    return [*(repository.relative(file) for file in files), *data, *NO_DETERMINANTS]
