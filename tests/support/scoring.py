"""A model to score with, its input, and a process of its own that scores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ci.contract.model import ModelContract
from ci.evaluate.candidate import Servable
from tests.support.repositories import contract

INPUT = {"x": {"type": "number", "minimum": 0}, "shelf": {"type": "string"}}
PREDICT = """\
def load_model(directory):
    return 2.0


def predict(model, rows):
    print(len(rows), flush=True)
    return rows["x"] * model / 3
"""
PROGRAM = """\
import json, resource, sys
from dataclasses import asdict
from pathlib import Path

from ci.cli import use_environment
from ci.errors import MlopsError
from ci.score import score_with
from ci.score.engine import engine_named
from tests.support.scoring import servable_in

use_environment()
folder, source, target, limit, engine = sys.argv[1:6]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    done = score_with(
        servable_in(Path(folder)),
        Path(source),
        Path(target),
        Path(folder) / "state",
        engine=engine_named(engine, None),
    )
except MlopsError as error:
    sys.exit(f"{error.code}: {error.message}")
# Not ru_maxrss, which a process takes over from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({**asdict(done), "peak_kib": int(status["VmHWM"].split()[0])}))
"""


def write_servable(folder: Path, **batch: object) -> Servable:
    """A model in ``folder`` that takes two thirds of x; ``batch`` is of its contract."""
    rules = {"schedule": "17 5 * * 1", "input": "rows.csv", **batch} if batch else None
    return write_model(folder, PREDICT, contract("two-thirds", input=INPUT, batch=rules))


def write_model(folder: Path, predict: str, rules: dict[str, object]) -> Servable:
    """A model in ``folder`` with the text of its predict file and its contract."""
    (folder / "model" / "artifact").mkdir(parents=True)
    (folder / "contract.json").write_text(json.dumps(rules))
    servable = servable_in(folder)
    servable.predict_file.write_text(predict)
    return servable


def servable_in(folder: Path) -> Servable:
    """The model that was written there."""
    parsed = ModelContract.model_validate_json((folder / "contract.json").read_text())
    model = folder / "model"
    return Servable(model / parsed.predict_file, model / "artifact", parsed, 3, "f" * 40)


def rows(count: int, seed: int = 7) -> pd.DataFrame:
    """``count`` rows with an id that looks like a number and is none."""
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"{number:07}" for number in range(count)],
            "x": draw.gamma(2.0, 20.0, count).round(3),
            "shelf": draw.choice(["top", "low, left", 'the "best"'], count),
        }
    )


def start(
    folder: Path, source: Path, target: Path, limit: int = 0, engine: str = "local"
) -> subprocess.Popen[str]:
    """Score in a process of its own; ``limit`` bytes is the largest file that it may write."""
    given = [str(folder), str(source), str(target), str(limit), engine]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    )


def calls(folder: Path) -> int:
    """How many times the model was asked since its state was new."""
    log = folder / "state" / "logs" / "score-two-thirds.log"
    return len(log.read_text().splitlines()) if log.exists() else 0
