"""Releases in a folder, beside a Git remote that is one too: for machines without GitHub."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.git import git

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.state.records import Release

SETTING = "mlops.releases"


def releases_folder(repository: Repository) -> Path | None:
    """The folder of the releases, or None where GitHub has them.

    It is what `git config mlops.releases` says, or for a remote `/srv/models.git` on this machine
    `/srv/models.releases`.
    """
    named = _asked(repository, "config", SETTING)
    if named:
        return (repository.root / Path(named).expanduser()).resolve()
    url = _asked(repository, "remote", "get-url", "origin").removeprefix("file://")
    if not url.startswith(("/", ".", "~")):
        return None
    remote = (repository.root / Path(url).expanduser()).resolve()
    return remote.with_name(f"{remote.name.removesuffix('.git')}.releases")


def _asked(repository: Repository, *question: str) -> str:
    try:
        return git(repository.root, *question).strip()
    except MlopsError:
        return ""


def lay(folder: Path, release: Release, archive: Path) -> None:
    """Put the Bento of ``release`` there, whole or not at all."""
    target = _place(folder, release)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(archive, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def take(folder: Path, release: Release, archive: Path) -> None:
    """Copy the Bento of ``release`` to ``archive``; whether it is whole is for others to see.

    Raises:
        MlopsError: ``lost_bento``.
    """
    source = _place(folder, release)
    if not source.is_file():
        raise MlopsError(
            "lost_bento",
            f"{source} is not there, so that version {release.version} of {release.model} can't be "
            f"served; release it again, or say where releases lie: git config {SETTING} FOLDER",
        )
    shutil.copyfile(source, archive)


def _place(folder: Path, release: Release) -> Path:
    return folder / release.tag / release.asset
