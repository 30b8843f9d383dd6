"""Rows scored a second, against a script in the model's language that does the same alone.

Both are whole programs on all cores: they start, read the CSV, load the model, predict in pieces
of the same size, write the CSV with the predictions, and end. The platform also finds out how the
file is written, checks each value against the contract, keeps finished parts with their digests,
and writes a report.

Two models: `nearest` looks for the nearest of many centres, as a segmentation does, and has the
weight of a real model; `linear` weighs nothing, so that all there is to see is the handling.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from bentos.runners import LANGUAGES
from ci.console import say
from ci.contract.model import ModelContract
from ci.evaluate.candidate import Servable
from ci.score import score_with
from tests.benchmarks.batch_scripts import DIRECT, PREDICT
from tests.benchmarks.results import Result
from tests.support.repositories import contract

ROWS = 1_000_000
REPEATS = 3
INPUTS = ("x1", "x2", "x3", "x4")
CENTRES = 64
LEAST = {"nearest": 0.9, "linear": None}


def run() -> list[Result]:
    """Per model and language: rows a second through the platform, and in the language alone."""
    return [_measure(model, language) for model in PREDICT for language in PREDICT[model]]


def _measure(model: str, language: str) -> Result:
    title = LANGUAGES[language].title
    say(f"batch: {model} in {title}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(model, language, folder)
        file, program, _ = DIRECT[language]
        theirs = [*program, file, "rows.csv", "direct.csv"]
        times = [(_ours(language, folder), _seconds(theirs, folder)) for _ in range(REPEATS)]
        _require_same(folder)
    mine, alone = (ROWS / median(column) for column in zip(*times, strict=True))
    case = f"{model} in {title}, against {title} alone"
    return Result("batch", case, mine, alone, "rows/s", least=LEAST[model])


def write(model: str, language: str, folder: Path, rows: int = ROWS) -> None:
    """The model, the script and the input."""
    draw = np.random.default_rng(7)
    (folder / "artifact").mkdir()
    np.savetxt(folder / "artifact" / "weights.csv", draw.standard_normal((CENTRES, 4)), "%.6f", ",")
    (folder / LANGUAGES[language].predict_file).write_text(PREDICT[model][language])
    file, _, source = DIRECT[language]
    (folder / file).write_text(source)
    values = draw.standard_normal((rows, len(INPUTS))).round(6)
    header = ",".join(INPUTS)
    np.savetxt(folder / "rows.csv", values, "%.6f", ",", header=header, comments="")


def _ours(language: str, folder: Path) -> float:
    """Each time with a new folder for what is kept, so that nothing is found done."""
    state = tempfile.mkdtemp(dir=folder)
    return _seconds([sys.executable, "-m", "tests.benchmarks.batch", language, str(folder), state])


def _seconds(command: list[str], folder: Path | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def _require_same(folder: Path) -> None:
    """Two programs that do different things can't be compared."""
    ours, theirs = (
        np.loadtxt(folder / file, delimiter=",", skiprows=1) for file in ("ours.csv", "direct.csv")
    )
    np.testing.assert_allclose(ours, theirs)


def score(language: str, folder: Path, state: Path) -> None:
    """Score the rows in ``folder`` through the platform."""
    inputs = {name: {"type": "number"} for name in INPUTS}
    rules = ModelContract.model_validate(contract("bench", language=language, input=inputs))
    servable = Servable(folder / rules.predict_file, folder / "artifact", rules, None, "")
    score_with(servable, folder / "rows.csv", folder / "ours.csv", state)


if __name__ == "__main__":
    score(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
