"""The state as this checkout last fetched it, in `.mlops/state`, and its registry."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.events.heads import remember, seen
from ci.events.log import own_log, released_log
from ci.events.verify import verify
from ci.files import file_digest, read_json, tree_digest, write_json
from ci.registry.store import has_server
from ci.registry.take_over import MARK, is_fetched, take_over
from ci.repository import Repository
from ci.state.branch import StateBranch
from ci.state.records import all_released

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.events.heads import Head

REGISTRY = "mlflow.db"
FETCHED = "fetched.json"


def state_folder(repository: Repository) -> Path:
    """Where the files of the branch lie after `fetch`; it need not exist."""
    return repository.state_dir / "state"


def fetch(repository: Repository) -> str | None:
    """Bring the branch to `.mlops/state`; returns its commit, or None where there is none yet.

    Raises:
        MlopsError: ``state_unreachable``; what was fetched before is still there.
    """
    target = state_folder(repository)
    repository.state_dir.mkdir(parents=True, exist_ok=True)
    before = seen(repository.state_dir)
    with tempfile.TemporaryDirectory(dir=repository.state_dir, prefix="state-") as directory:
        fresh, old = Path(directory, "fresh"), Path(directory, "old")
        commit = StateBranch(repository.root).checkout(fresh)
        digest = tree_digest(fresh)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    write_json(repository.state_dir / FETCHED, {"commit": commit, "digest": digest})
    _compare(repository, before)
    return commit


def is_at(repository: Repository, commit: str | None) -> bool:
    """Whether the files here are those of ``commit``, as they were fetched."""
    record = read_json(repository.state_dir / FETCHED)
    return record == {"commit": commit, "digest": _digest(repository)}


def was_edited(repository: Repository) -> bool:
    """Whether somebody changed the files here since they were fetched, as far as is known."""
    record = read_json(repository.state_dir / FETCHED)
    return record is not None and record.get("digest") != _digest(repository)


def _digest(repository: Repository) -> str:
    return tree_digest(state_folder(repository))


def _compare(repository: Repository, before: Head | None) -> None:
    """Say if the events of the branch are no longer those that were fetched before."""
    found = verify(released_log(state_folder(repository)), [before] if before else [])
    if found.findings:
        say(
            f"The events on mlops-state are not what they were: {found.findings[0].problem}; "
            "type: mlops audit verify"
        )
    elif found.head:
        remember(repository.state_dir, found.head)


def take_registry(repository: Repository) -> bool:
    """Make the fetched registry this checkout's own; False where it has one of its own making.

    A registry that came from the branch and was not written to since is replaced. Where
    ``MLFLOW_TRACKING_URI`` names a server, there is nothing to take.
    """
    source = state_folder(repository) / REGISTRY
    own, mark = repository.state_dir / REGISTRY, repository.state_dir / MARK
    if has_server() or not source.is_file():
        return True
    if own.exists() and not is_fetched(repository):
        return False
    copy_database(source, own)
    write_json(mark, {"sha256": file_digest(own)})
    return True


def copy_database(source: Path, target: Path) -> None:
    """A whole copy of an SQLite file, whatever else has it open; ``target`` is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="registry-") as directory:
        copy = Path(directory) / target.name
        if source.exists():
            with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            copy.replace(target)


@contextmanager
def registry_of(state: Path) -> Iterator[Repository]:
    """A place from which the registry functions see registry and events in the folder ``state``.

    A registry that is older than its events is taken over into these first.
    What is done to them is put back at the end, if nothing failed. MLflow keeps files open for as
    long as the process lives, so that each time has a place of its own.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-registry-") as directory:
        place = Repository(Path(directory))
        own = place.state_dir / REGISTRY
        if not has_server():
            copy_database(state / REGISTRY, own)
        events, copied = own_log(place).path, released_log(state).path
        if copied.exists():
            events.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copied, events)
        take_over(place, {each.model: each.released_at for each in all_released(state)})
        yield place
        if not has_server():
            copy_database(own, state / REGISTRY)
        if events.exists():
            shutil.copyfile(events, copied)
