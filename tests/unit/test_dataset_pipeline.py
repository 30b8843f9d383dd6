"""Data that breaks its contract stops every model that is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ci.dataset.add import add_dataset
from ci.errors import MlopsError
from ci.pipeline.dvc import reproduce
from ci.pipeline.train import train
from ci.repository import Repository
from tests.support.repositories import commit_all, new_repository, write_model

DATASET = {
    **dict.fromkeys(("description", "source", "licence", "retention"), "x"),
    "name": "sales",
    "owner": "procurement",
    "pii": "none",
    "tables": {
        "sales": {
            "file": "tables/sales.csv",
            "columns": {"shop": {"type": "string"}, "units": {"type": "integer", "minimum": 0}},
        }
    },
}
INGEST = {
    "stages": {
        "ingest": {
            "cmd": ["python ingest.py", "mlops data validate sales"],
            "deps": ["ingest.py", "dataset.yaml"],
            "outs": ["tables/sales.csv"],
        }
    }
}
TRAIN = {
    "stages": {
        "train": {
            "cmd": "cp ../../data/sales/tables/sales.csv model.csv",
            "deps": ["../../data/sales/tables/sales.csv"],
            "outs": ["model.csv"],
        }
    }
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = new_repository(tmp_path / "repository")
    for folder, pipeline in (("data/sales", INGEST), ("models/m", TRAIN)):
        (repository.root / folder).mkdir()
        (repository.root / folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    (repository.data_dir / "sales/dataset.yaml").write_text(yaml.safe_dump(DATASET))
    (repository.data_dir / "sales/tables").mkdir()
    commit_all(repository.root)
    return repository


def ingest(repository: Repository, units: str) -> None:
    content = f"shop,units\\nnorth,3\\nsouth,{units}\\n"
    script = f"import pathlib\npathlib.Path('tables/sales.csv').write_text('{content}')\n"
    (repository.data_dir / "sales/ingest.py").write_text(script)


def test_the_model_is_made_from_good_data_only(repository: Repository) -> None:
    made, log = repository.models_dir / "m/model.csv", repository.state_dir / "log.txt"
    ingest(repository, "-4")
    with pytest.raises(MlopsError) as caught:
        reproduce(repository, "models/m/dvc.yaml", log)
    assert caught.value.code == "pipeline_failed"
    said = "Bad data in sales/sales, column units: 1 row: below the minimum 0"
    assert said in caught.value.message
    assert said in log.read_text()
    assert not made.exists()
    with pytest.raises(MlopsError):  # what was refused is not believed the next time
        reproduce(repository, "models/m/dvc.yaml", log)
    assert not made.exists()
    ingest(repository, "4")
    reproduce(repository, "models/m/dvc.yaml", log)
    assert made.read_text() == "shop,units\nnorth,3\nsouth,4\n"


def test_data_that_was_brought_in_and_edited_is_checked_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(tmp_path / "repository")
    (tmp_path / "sales.csv").write_text("shop,units\nnorth,3\nsouth,4\n")
    monkeypatch.chdir(repository.root)
    add_dataset(repository, tmp_path / "sales.csv", "sales", "procurement")
    write_model(repository, "m")
    table = repository.data_dir / "sales/tables/sales.csv"
    table.write_text("shop,units\nnorth,3\nsouth,many\n")
    with pytest.raises(MlopsError, match="column units: 1 row: no integer") as caught:
        train(repository, "m")
    assert caught.value.code == "bad_data"
    assert not (repository.root / "models/m/dvc.lock").exists()
