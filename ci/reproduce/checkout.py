"""A clean checkout of a commit with the data that it names, beside this one."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from ci.assets.data import DataStore
from ci.assets.github import github_of
from ci.assets.objects import Cache, check_out, file_md5, objects_of
from ci.console import say, step
from ci.errors import MlopsError
from ci.git import git
from ci.pipeline.dvc import environment
from ci.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from ci.assets.objects import DataObject


def check_out_commit(repository: Repository, commit: str | None, folder: Path) -> Repository:
    """The files of ``commit`` in the new ``folder``, and nothing that was ever trained here.

    Raises:
        MlopsError: ``unknown_commit``.
    """
    try:
        git(repository.root, "cat-file", "-e", f"{commit}^{{commit}}")
    except MlopsError:
        raise MlopsError(
            "unknown_commit",
            f"The commit {commit or '(none was recorded)'} that this version was trained from is "
            "not in this clone; type: git fetch origin, or fetch the branch that had it.",
        ) from None
    git(repository.root, "clone", "-q", "--shared", "--no-checkout", ".", str(folder))
    git(folder, "checkout", "-q", "--detach", str(commit))
    return Repository(folder)


def bring_data(repository: Repository, checkout: Repository, model: str) -> list[str]:
    """Let ``checkout`` have the data of ``model``; returns files that a stage has to make again.

    It comes from this checkout's cache or work tree, else DVC's remote, else the release assets.
    The caches stay apart, so that nothing that was trained before is taken for what is trained now.

    Raises:
        MlopsError: ``unknown_model`` where the commit has none; ``lost_data``.
    """
    checkout.model_dir(model)
    objects = objects_of(checkout, [model])
    _let_know_remotes(repository, checkout)
    own, fresh = Cache(repository), Cache(checkout)
    for each in objects:
        _share(own, fresh, each.md5)
        _take_here(repository, fresh, each)
    absent = _absent(fresh, objects)
    if absent:
        _fetch(checkout, absent)
        absent = _absent(fresh, absent)
    if absent:
        absent = _from_releases(repository, fresh, absent)
    lost = [each.path for each in absent if not each.made]
    if lost:
        raise MlopsError(
            "lost_data",
            f"{lost[0]} as this version was trained on it is neither here, nor in DVC's cache or "
            "remote, nor among the release assets, and no stage makes it; whoever has it types: "
            f"mlops data push {lost[0].split('/')[1]}",
        )
    gone = [each.path for each in absent]
    check_out(checkout, [each for each in objects if each.path not in gone])
    return gone


def run(checkout: Repository, *arguments: str) -> str:
    """What the platform of ``checkout``, or else this one, prints.

    Raises:
        MlopsError: ``not_rebuilt`` with its last line.
    """
    kept = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "ci", *arguments],
        cwd=checkout.root,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise MlopsError(
            "not_rebuilt", f"mlops {' '.join(arguments)} failed at that commit: {lines[-1]}"
        )
    return done.stdout


def _let_know_remotes(repository: Repository, checkout: Repository) -> None:
    """Remotes as they are set here: a folder beside this checkout is not beside the other one."""
    from dvc.repo import Repo

    with Repo(str(repository.root)) as repo:
        remotes = {name: dict(options) for name, options in repo.config["remote"].items()}
    written = configparser.RawConfigParser()
    for name, options in remotes.items():
        written[f"'remote \"{name}\"'"] = {key: str(value) for key, value in options.items()}
    path = checkout.root / ".dvc" / "config.local"
    with path.open("w", encoding="utf-8") as file:
        written.write(file)
    path.chmod(0o600)


def _take_here(repository: Repository, fresh: Cache, wanted: DataObject) -> None:
    """A file that lies in the work tree as the commit names it, though the cache has lost it."""
    file, target = repository.root / wanted.path, fresh.path(wanted.md5)
    if not target.exists() and file.is_file() and file_md5(file) == wanted.md5:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _share(own: Cache, fresh: Cache, md5: str) -> None:
    for each in (md5, *own.entries(md5)):
        source, target = own.path(each), fresh.path(each)
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _absent(cache: Cache, objects: list[DataObject]) -> list[DataObject]:
    return [each for each in objects if not cache.has(each.md5)]


def _fetch(checkout: Repository, objects: list[DataObject]) -> None:
    """Ask DVC's remote; what it does not have is asked for elsewhere."""
    with step(f"bringing {len(objects)} files of data from DVC's remote"):
        subprocess.run(
            [sys.executable, "-m", "dvc", "fetch", "-q", *(each.path for each in objects)],
            cwd=checkout.root,
            env=environment(),
            capture_output=True,
            check=False,
        )


def _from_releases(
    repository: Repository, cache: Cache, objects: list[DataObject]
) -> list[DataObject]:
    try:
        store = DataStore(repository, github_of(repository))
        lost = store.bring(cache, {each.md5 for each in objects})
    except MlopsError as error:
        if error.code == "damaged_data":
            raise
        say(f"The release assets can't be asked: {error.message}")
        return objects
    return [each for each in objects if each.md5 in lost]
