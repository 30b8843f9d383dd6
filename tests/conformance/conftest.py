"""Every model of the repository: trained, trained again elsewhere, packaged and served, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ci.contract.model import ModelContract, load_model_contract
from ci.evaluate.candidate import Servable
from ci.evaluate.table import read_table, values
from ci.package import package
from ci.pipeline import train
from ci.repository import Repository
from tests.support import broken_models, repositories, services

REPOSITORY = Repository(repositories.SOURCE)
BROKEN_TIMEOUT_SECONDS = 4


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One round of the suite a folder of `models/`, whoever wrote it."""
    if "model" in metafunc.fixturenames:
        folders = sorted(path.name for path in REPOSITORY.models_dir.iterdir() if path.is_dir())
        wanted = metafunc.config.getoption("--model") or folders
        unknown = set(wanted) - set(folders)
        if unknown:
            raise pytest.UsageError(f"--model {unknown.pop()}: there are {', '.join(folders)}")
        metafunc.parametrize("model", wanted, indirect=True, scope="session")


@dataclass(frozen=True)
class Trained:
    """A trained model in a checkout."""

    folder: Path
    contract: ModelContract

    @property
    def holdout(self) -> Path:
        """The table on which it is judged."""
        return self.folder / self.contract.evaluation.holdout

    def servable(self) -> Servable:
        """It as something that can predict."""
        predict_file = self.folder / self.contract.predict_file
        return Servable(predict_file, self.folder / "artifact", self.contract, None, "")

    def table(self, rows: int) -> pd.DataFrame:
        """The first ``rows`` rows of the holdout."""
        return read_table(self.holdout, self.contract.evaluation.holdout).head(rows)

    def rows(self, count: int) -> list[dict[str, Any]]:
        """The same rows as a caller sends them, with the input columns only."""
        table = self.table(count)
        inputs = self.contract.input
        columns = {name: values(table[name], column.type) for name, column in inputs.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> str:
    """The name of the model's folder."""
    return str(request.param)


@pytest.fixture(scope="session")
def contract(model: str) -> ModelContract:
    """Its contract."""
    return load_model_contract(REPOSITORY, model)


@pytest.fixture(scope="session")
def trained(model: str, contract: ModelContract) -> Trained:
    """Trained in this checkout; data that is not there is ingested first."""
    train(REPOSITORY, model)
    return Trained(REPOSITORY.model_dir(model), contract)


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A copy of the repository, with its data and without anything that a training made."""
    root = tmp_path_factory.mktemp("elsewhere")
    yield repositories.copy_of_sources(REPOSITORY, root)
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def bento(model: str, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its Bento, moved away from the repository that built it."""
    target = tmp_path_factory.mktemp("bento") / model
    shutil.copytree(package(REPOSITORY, model).path, target)
    yield target
    shutil.rmtree(target)


@pytest.fixture(scope="session")
def service(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    """The Bento behind HTTP, in processes that start in another directory."""
    running = services.serve(bento, tmp_path_factory.mktemp("service"))
    try:
        ready = running.wait_until_answered()
        assert ready.status_code == 200, ready.text
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def broken(
    bento: Path, contract: ModelContract, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[broken_models.Broken]:
    """The same Bento with code that breaks as it is told, under the same contract."""
    copy = tmp_path_factory.mktemp("broken") / "bento"
    shutil.copytree(bento, copy)
    rules = json.loads((copy / "src" / "contract.json").read_text())
    rules["serving"]["timeout_seconds"] = BROKEN_TIMEOUT_SECONDS
    (copy / "src" / "contract.json").write_text(json.dumps(rules))
    predict_file = copy / "src" / "model" / contract.predict_file
    predict_file.write_text(broken_models.source(contract))
    action = copy / "src" / "model" / "artifact" / broken_models.ACTION_FILE
    action.write_text("answer")
    running = services.serve(copy, copy.parent / "run")
    try:
        ready = running.wait_until_answered()
        assert ready.status_code == 200, ready.text
        yield broken_models.Broken(running, action)
    finally:
        running.stop()
