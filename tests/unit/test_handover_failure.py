"""A step that fails is handed over as its place, its message and what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ci.handover import Manifest
from ci.handover.make import make_handover
from ci.repository import Repository
from tests.workflows.template import write_template

MODEL = "sales-python"
HEAD, BASE = "a" * 40, "b" * 40
BY_POSITION = """\
def load_model(directory):
    return None


def predict(model, rows):
    return [float(place) for place in range(len(rows))]
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "repository"
    write_template(root, {MODEL: "python"})
    return root


def made(template: Path, tmp_path: Path, change: tuple[str, str, str]) -> Manifest:
    """The handover of the model with a text replaced in a file (all of it if the text is empty)."""
    file, before, after = change
    root = tmp_path / "repository"
    shutil.copytree(template, root)
    path = root / "models" / MODEL / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after) if before else after)
    manifest = make_handover(Repository(root), MODEL, HEAD, BASE, tmp_path / "handover")
    assert [each.name for each in (tmp_path / "handover").iterdir()] == ["manifest.json"]
    assert json.loads((tmp_path / "handover" / "manifest.json").read_text())["failure"]
    return manifest


@pytest.mark.parametrize(
    ("change", "step", "place", "message", "advice"),
    [
        (
            ("model.yaml", "metric: mae", "metric: mea"),
            "check",
            ("model.yaml", 27),
            "evaluation.metric: 'mea' is no metric of regression; use mae, rmse, wape, bias.",
            "mlops check",
        ),
        (
            ("params.yaml", "shrinkage: ", "shrinkage: high"),
            "check",
            ("params.yaml", 2),
            "train.shrinkage: must be a number (found 'high",
            "mlops check",
        ),
        (
            ("predict.py", "float(each)", "float(each"),
            "check",
            ("predict.py", 5),
            "does not match opening parenthesis",
            "mlops check",
        ),
        (("dvc.yaml", "stages:", "stages"), "check", ("dvc.yaml", None), "", "mlops check"),
        (
            ("train.py", "import csv,", "import no_such_package, csv,"),
            "train",
            ("train.py", 1),
            "No module named 'no_such_package'",
            "only locked packages",
        ),
        (
            ("train.py", "tables/sales.csv", "tables/Sales.csv"),
            "train",
            ("train.py", 13),
            "No such file",
            "upper and lower case",
        ),
        (
            ("train.py", '"slope": slope', '"slope": float("nan")'),
            "train",
            None,
            "not a finite number",
            "mlops train",
        ),
        (
            ("predict.py", "rows[", "rowz["),
            "predict",
            ("predict.py", 9),
            "name 'rowz' is not",
            "mlops evaluate",
        ),
        (
            ("predict.py", "", BY_POSITION),
            "conformance",
            None,
            "its own row only",
            "mlops evaluate",
        ),
    ],
)
def test_a_failure_names_its_step_place_and_way_out(
    template: Path,
    tmp_path: Path,
    change: tuple[str, str, str],
    step: str,
    place: tuple[str, int | None] | None,
    message: str,
    advice: str,
) -> None:
    failure = made(template, tmp_path, change).failure
    assert failure
    assert failure.step == step
    assert message in failure.message
    assert advice in failure.advice
    if place:
        name, line = place
        assert failure.file == f"models/{MODEL}/{name}"
        assert line in (None, failure.line)
    assert "\n" not in failure.message
