from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from ci.contract.dataset import load_dataset
from ci.fingerprint import Platform, fingerprint, recorded_digest
from ci.repository import Repository
from tests.support.repositories import SOURCE, new_repository, write_dataset, write_model


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, "first")
    return made


def test_it_is_forty_hex_digits_and_the_same_elsewhere(
    repository: Repository, tmp_path: Path
) -> None:
    other = new_repository(tmp_path / "elsewhere")
    write_dataset(other, "sales")
    write_model(other, "first")
    value = fingerprint(repository, "first")
    assert len(value) == 40
    assert int(value, 16) >= 0
    assert fingerprint(other, "first") == value


@pytest.mark.parametrize(
    "file", ["train.py", "predict.py", "model.yaml", "dvc.yaml", "params.yaml", "helper.py"]
)
def test_whatever_determines_the_candidate_changes_it(repository: Repository, file: str) -> None:
    before = fingerprint(repository, "first")
    path = repository.models_dir / "first" / file
    path.write_text((path.read_text() if path.exists() else "") + "\n# changed\n")
    assert fingerprint(repository, "first") != before


def test_a_new_data_version_changes_it(repository: Repository) -> None:
    before = fingerprint(repository, "first")
    tracked = repository.data_dir / "sales" / "tables" / "sales.csv.dvc"
    tracked.write_text(tracked.read_text().replace("0" * 32, "1" * 32))
    assert fingerprint(repository, "first") != before


@pytest.mark.parametrize("file", ["bentos/runners/worker.R", "ci/locks/serving.txt"])
def test_the_runners_and_locks_of_a_checkout_change_it(
    repository: Repository, tmp_path: Path, file: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(SOURCE / "bentos", other / "bentos")
    shutil.copytree(SOURCE / "ci" / "locks", other / "ci" / "locks")
    before = fingerprint(repository, "first")
    assert fingerprint(repository, "first", Platform.of(other)) == before
    with (other / file).open("a") as changed:
        changed.write("# another\n")
    assert fingerprint(repository, "first", Platform.of(other)) != before


@pytest.mark.parametrize(
    "file",
    ["README.md", "dvc.lock", "artifact/model.csv", "evaluation/holdout.csv", "metrics.json"],
)
def test_what_follows_from_it_does_not_change_it(repository: Repository, file: str) -> None:
    before = fingerprint(repository, "first")
    path = repository.models_dir / "first" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("anything\n")
    assert fingerprint(repository, "first") == before


def test_it_follows_the_model_that_it_depends_on(repository: Repository) -> None:
    write_model(repository, "second", depends_on=["first"])
    pipeline = repository.models_dir / "second" / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("../../data/sales/tables/sales.csv", "../first/artifact")
    )
    before = fingerprint(repository, "second")
    (repository.models_dir / "first" / "train.py").write_text("print('changed')\n")
    assert fingerprint(repository, "second") != before


def test_what_dvc_recorded_in_a_lock_file_or_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "sales"
    (folder / "tables").mkdir(parents=True)
    outs = [{"path": "tables/b.csv", "md5": "22"}, {"path": "plots", "md5": "33.dir"}]
    stages = {"ingest": {"cmd": "x", "deps": [{"path": "x.py", "md5": "9"}], "outs": outs}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    tracked = {"outs": [{"md5": "11", "size": 1, "hash": "md5", "path": "a.csv"}]}
    (folder / "tables" / "a.csv.dvc").write_text(yaml.safe_dump(tracked))
    paths = ["tables/a.csv", "tables/b.csv", "plots", "x.py", "tables/none.csv"]
    found = [recorded_digest(tmp_path, f"data/sales/{path}") for path in paths]
    assert found == ["11", "22", "33.dir", None, None]


@pytest.mark.parametrize("name", ["complete-journey", "household-spend"])
def test_every_table_of_the_shipped_datasets_has_a_recorded_digest(name: str) -> None:
    repository = Repository(Path(__file__).parents[2])
    for table in load_dataset(repository, name).tables.values():
        assert recorded_digest(repository.root, f"data/{name}/{table.file}"), table.file
