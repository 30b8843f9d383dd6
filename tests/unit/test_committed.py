"""The commit that a version is built again from: one that has the files it was trained from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.contract.model import load_model_contract
from ci.git import head_commit
from ci.release.committed import commit_of
from ci.repository import Repository
from tests.support.repositories import commit_all, new_repository, write_dataset, write_model


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, "demand")
    write_model(made, "other")
    commit_all(made.root)
    return made


def found(repository: Repository, trained: str | None) -> str | None:
    return commit_of(repository, load_model_contract(repository, "demand"), trained)


def test_the_commit_at_the_training_stays_while_the_models_own_files_do(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = head_commit(repository.root)
    (repository.model_dir("other") / "train.py").write_text("print('another')\n")
    commit_all(repository.root)
    (repository.model_dir("demand") / "README.md").write_text("# A longer card\n")
    (repository.model_dir("demand") / "dvc.lock").write_text("schema: '2.0'\n")
    assert found(repository, trained) == trained
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", ["models/demand/new.py", "data/sales/tables/sales.csv.dvc"])
def test_what_was_committed_after_the_training_is_found_in_its_commit(
    repository: Repository, file: str
) -> None:
    trained = head_commit(repository.root)
    (repository.root / file).write_text("new: 1\n")
    commit = commit_all(repository.root)
    assert found(repository, trained) == found(repository, None) == commit
    assert found(repository, "0" * 40) == commit


def test_what_is_in_no_commit_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = head_commit(repository.root)
    (repository.model_dir("demand") / "new.py").write_text("1\n")
    assert found(repository, trained) == trained
    said = capsys.readouterr().err
    assert "demand: models/demand/new.py is not committed as it is" in said


def test_without_git_nothing_is_known(tmp_path: Path) -> None:
    made = Repository(tmp_path)
    write_model(made, "demand")
    assert found(made, None) is None
