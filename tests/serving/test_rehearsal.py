"""Staging: a Bento is started, held to what callers rely on, and ended, whatever it does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from ci.contract.deployment import LocalTarget
from ci.contract.model import ModelContract
from ci.errors import MlopsError
from ci.repository import Repository
from ci.targets.launch import bento_folder
from ci.targets.rehearsal import Rehearsed, rehearse
from tests.support import services

ROWS: list[dict[str, Any]] = [{"x": float(x), "n": None, "mode": "ok"} for x in range(5)]
WHOLE_BATCH = """
def load_model(directory):
    return None


def predict(model, rows):
    return rows["x"] - rows["x"].mean()
"""


def staged(tmp_path: Path, source: str | None = None) -> tuple[Repository, ModelContract, str]:
    """The tiny Python model in a store, with another predict file where one is given."""
    repository = Repository(tmp_path)
    built = services.build_tiny(tmp_path / "made", "python")
    bento = "tiny-python:" + "1" * 40
    shutil.copytree(built, bento_folder(repository, bento))
    if source is not None:
        path = bento_folder(repository, bento) / "src" / "model" / "predict.py"
        path.write_text(source)
    return repository, ModelContract.model_validate(services.contract("python")), bento


def ask(repository: Repository, contract: ModelContract, bento: str, rows: Any) -> Rehearsed:
    before = running()
    try:
        return rehearse(repository, contract, bento, rows, LocalTarget())
    finally:
        assert running() <= before, "it left a process"
        run = repository.state_dir / "run"
        assert [path for path in run.iterdir() if path.is_dir()] == []


def running() -> set[int]:
    """Our children that still do something."""
    children = psutil.Process().children(recursive=True)
    return {each.pid for each in children if each.status() != psutil.STATUS_ZOMBIE}


def test_one_that_answers_passes(tmp_path: Path) -> None:
    seen = ask(*staged(tmp_path), ROWS)
    assert seen.rows == len(ROWS)
    assert 0 < seen.median_seconds <= seen.slowest_seconds


@pytest.mark.parametrize(
    ("source", "rows", "said"),
    [
        (WHOLE_BATCH, ROWS, "alone and with"),
        (None, [{**ROWS[0], "mode": "raise"}], "answered 1 rows of the holdout with 500"),
        ("def load_model(directory):\n    raise ValueError('no file')\n", ROWS, "tiny-python"),
    ],
    ids=["answers depend on other rows", "an error", "it can't start"],
)
def test_one_that_does_not_is_refused(
    tmp_path: Path, source: str | None, rows: Any, said: str
) -> None:
    with pytest.raises(MlopsError) as caught:
        ask(*staged(tmp_path, source), rows)
    assert caught.value.code in ("probe_failed", "start_failed")
    assert said in caught.value.message
