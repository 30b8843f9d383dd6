"""`mlops registry rebuild`: a fresh MLflow database from the events alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.busy import in_turn
from ci.console import step
from ci.errors import MlopsError
from ci.events.log import broken, clock, head_of
from ci.events.places import places
from ci.events.standing import standings
from ci.events.verify import verify
from ci.files import file_digest, write_json
from ci.registry.store import client, has_server
from ci.registry.take_over import MARK, came_with_the_state, governing_log
from ci.registry.versions import create_version, point
from ci.repository import Repository

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ci.events.log import Log
    from ci.events.standing import Standing

DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Rebuilt:
    """How many versions of each model there are again, and where the old database is."""

    versions: dict[str, int]
    kept: Path | None


def rebuild(repository: Repository) -> Rebuilt:
    """Replace the registry of this checkout by what the events tell that it follows from.

    Runs are not in the events: the old file, which is kept, has their parameters and metrics.

    Raises:
        MlopsError: ``broken_chain``; ``has_server`` where the registry is a server's;
            ``no_events`` where there is nothing to rebuild from.
    """
    if has_server():
        raise MlopsError(
            "has_server",
            "MLFLOW_TRACKING_URI names a server, whose database is not ours to replace; unset it "
            "to rebuild the registry of this checkout.",
        )
    log = governing_log(repository)
    _require_whole(repository, log)
    events = log.events()
    found = standings(events)
    if not found:
        raise MlopsError(
            "no_events",
            f"{log.path.parent.name}/{log.path.name} tells of no version, so that there is "
            "nothing to rebuild the registry from.",
        )
    fetched = came_with_the_state(repository)
    with (
        in_turn(repository, "rebuild"),
        step("rebuilding the registry from its events"),
        tempfile.TemporaryDirectory(dir=repository.state_dir, prefix="rebuild-") as directory,
    ):
        place = Repository(Path(directory))
        for name, standing in found.items():
            _write(place, name, standing, head_of(events[-1]))
        kept = _replace(place.state_dir / DATABASE, repository.state_dir / DATABASE)
        if fetched:
            own = repository.state_dir / DATABASE
            write_json(repository.state_dir / MARK, {"sha256": file_digest(own)})
    return Rebuilt({name: len(standing.versions) for name, standing in found.items()}, kept)


def _require_whole(repository: Repository, log: Log) -> None:
    """Every event is there that any record names."""
    heads = [head for place in places(repository) if place.log == log for head in place.heads]
    found = verify(log, heads).findings
    if found:
        raise broken(log.path, found[0].problem)


def _write(place: Repository, name: str, standing: Standing, head: str) -> None:
    mlflow = client(place)
    mlflow.create_registered_model(name)
    _versions(mlflow, name, standing)
    point(place, name, standing.aliases, head)


def _versions(mlflow: MlflowClient, name: str, standing: Standing) -> None:
    """Each version under its number: MLflow counts by itself, so that gaps are made and removed."""
    gaps = []
    for number in range(1, max(standing.versions) + 1):
        lineage = standing.versions.get(number)
        if lineage is None:
            gaps.append(mlflow.create_model_version(name, "gap://").version)
        else:
            create_version(mlflow, name, lineage)
    for gap in gaps:
        mlflow.delete_model_version(name, gap)


def _replace(fresh: Path, own: Path) -> Path | None:
    """Put ``fresh`` in the place of ``own`` at once; returns where ``own`` is kept.

    SQLite copies it in one transaction, so that whoever has the old file open sees the new content.
    """
    if not own.exists():
        os.replace(fresh, own)
        return None
    kept = own.with_name(f"{own.name}.before-{clock().strftime('%Y%m%dT%H%M%S%f')}")
    shutil.copyfile(own, kept)
    try:
        with closing(sqlite3.connect(fresh)) as new, closing(sqlite3.connect(own)) as old:
            new.backup(old)
    except sqlite3.DatabaseError:  # it is damaged so far that nobody can have it open
        os.replace(fresh, own)
    return kept
