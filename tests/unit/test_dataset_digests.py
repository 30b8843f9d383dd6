"""The declared version of a dataset, from the files that DVC wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ci.dataset.digests import digests
from ci.errors import MlopsError
from ci.repository import Repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "sales"
    (folder / "tables").mkdir(parents=True)
    (folder / "dataset.yaml").touch()
    return folder


def test_from_a_lock_file_and_a_dvc_file_sorted(tmp_path: Path, folder: Path) -> None:
    outs = [{"path": "tables/b.csv", "md5": "22"}, {"path": "plots", "md5": "33.dir"}]
    stages = {"ingest": {"cmd": "x", "deps": [{"path": "x.py", "md5": "9"}], "outs": outs}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    tracked = {"outs": [{"md5": "11", "size": 1, "hash": "md5", "path": "a.csv"}]}
    (folder / "tables" / "a.csv.dvc").write_text(yaml.safe_dump(tracked))
    found = digests(Repository(tmp_path), "sales")
    assert list(found.items()) == [
        ("plots", "33.dir"),
        ("tables/a.csv", "11"),
        ("tables/b.csv", "22"),
    ]


def test_untracked_data_says_what_to_type(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(MlopsError, match="dvc repro") as caught:
        digests(Repository(tmp_path), folder.name)
    assert caught.value.code == "untracked_data"


def test_an_unknown_dataset(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(MlopsError, match="no dataset 'other'"):
        digests(Repository(tmp_path), "other")


def test_the_shipped_datasets_declare_every_table() -> None:
    repository = Repository(Path(__file__).parents[2])
    assert set(digests(repository, "complete-journey")) == {
        "tables/demographics.csv",
        "tables/products.csv",
        "tables/promotions.csv.gz",
        "tables/transactions.csv",
    }
    assert set(digests(repository, "household-spend")) == {"tables/household-spend.csv"}
