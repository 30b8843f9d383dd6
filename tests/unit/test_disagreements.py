"""What somebody does to MLflow by hand, in a registry of one's own and in one that was brought."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ci.check import check
from ci.events.log import own_log
from ci.events.standing import PRODUCTION
from ci.files import file_digest, write_json
from ci.registry.rebuild import rebuild
from ci.registry.store import client
from ci.registry.take_over import MARK
from ci.registry.versions import registered
from ci.repository import Repository
from ci.state.local import state_folder
from tests.unit.test_registry import MODEL, empty_registry, release, repository

__all__ = ["empty_registry", "repository"]

Tamper = Callable[[MlflowClient], object]


def set_tag(tag: str, mlflow: MlflowClient) -> None:
    mlflow.set_model_version_tag(MODEL, "2", tag, "8")


TAMPERS: dict[str, tuple[Tamper, str]] = {
    "an alias moved": (
        lambda mlflow: mlflow.set_registered_model_alias(MODEL, PRODUCTION, "1"),
        "the alias production is at version 1, and by the events at version 2",
    ),
    "an alias removed": (
        lambda mlflow: mlflow.delete_registered_model_alias(MODEL, "previous"),
        "the alias previous is at no version, and by the events at version 1",
    ),
    "a version deleted": (
        lambda mlflow: mlflow.delete_model_version(MODEL, "1"),
        "the events tell of version 1, and it is not registered",
    ),
    "a version added": (
        lambda mlflow: mlflow.create_model_version(MODEL, "by://hand"),
        "version 3 is in the registry, and no event tells of it",
    ),
    "the model deleted": (
        lambda mlflow: mlflow.delete_registered_model(MODEL),
        "the events tell of it, and the registry does not have it",
    ),
    **{
        f"the tag {tag}": (
            partial(set_tag, tag),
            "version 2 has another",
        )
        for tag in (
            *("fingerprint", "digest", "bento", "git_commit", "verdict", "approvers", "pull"),
            *("source_run_id", "source", "trained_at", "committed_at", "candidate"),
            *("workflow_run", "image", "data.data/sales/tables/sales.csv", "data.more"),
        )
    },
    "a tag removed": (
        lambda mlflow: mlflow.delete_model_version_tag(MODEL, "2", "verdict"),
        "version 2 has another verdict",
    ),
}


@pytest.fixture
def own(repository: Repository) -> Repository:
    """Version 2 is in production, and version 1 was."""
    release(repository, "one")
    release(repository, "two")
    return repository


@pytest.fixture
def brought(own: Repository) -> Repository:
    """The same, as `mlops restore` brings it from the state branch."""
    state = state_folder(own)
    state.mkdir()
    own_log(own).path.rename(state / "events.jsonl")
    (own.state_dir / "events.head").unlink()
    shutil.copyfile(own.state_dir / "mlflow.db", state / "mlflow.db")
    write_json(own.state_dir / MARK, {"sha256": file_digest(own.state_dir / "mlflow.db")})
    return own


def said(repository: Repository) -> str:
    """What `mlops check` says of the model's registry."""
    return "\n".join(each.problem for each in check(repository, MODEL) if each.key == MODEL)


@pytest.mark.parametrize("place", ["own", "brought"])
def test_check_notices_whatever_is_changed_and_rebuild_puts_it_right(
    place: str, request: pytest.FixtureRequest
) -> None:
    """One registry for all, since to make one takes seconds."""
    repository: Repository = request.getfixturevalue(place)
    assert said(repository) == ""
    database, before = repository.state_dir / "mlflow.db", registered(repository)[MODEL]
    with closing(sqlite3.connect(":memory:")) as whole:
        with closing(sqlite3.connect(database)) as there:
            there.backup(whole)
        for name, (tamper, text) in TAMPERS.items():
            tamper(client(repository))
            assert text in said(repository), name
            with closing(sqlite3.connect(database)) as there:
                whole.backup(there)
    assert said(repository) == ""
    for tamper, _ in list(TAMPERS.values())[::7]:
        tamper(client(repository))
    rebuild(repository)
    after = registered(repository)[MODEL]
    assert said(repository) == ""
    assert (after.versions, after.aliases) == (before.versions, before.aliases)


@pytest.mark.parametrize("place", ["own", "brought"])
def test_a_registry_that_is_gone_is_noticed_and_rebuilt(
    place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    repository: Repository = request.getfixturevalue(place)
    before = registered(repository)
    (repository.state_dir / "mlflow.db").unlink()
    assert "the registry does not have it; type: mlops registry rebuild" in said(repository)
    rebuild(repository)
    assert registered(repository) == before
    assert said(repository) == ""


def test_a_clone_that_never_had_a_registry_has_nothing_to_disagree(
    brought: Repository,
) -> None:
    for name in ("mlflow.db", MARK):
        (brought.state_dir / name).unlink()
    assert said(brought) == ""


def test_a_registry_that_is_a_copy_of_another_one_is_noticed(
    brought: Repository, tmp_path: Path
) -> None:
    """The file as a whole was put in the place of the right one."""
    write_json(brought.state_dir / MARK, {"sha256": "0" * 64})
    client(brought).set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert "the alias production is at version 1" in said(brought)
