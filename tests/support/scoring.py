"""A model to score with, its input, and a process of its own that scores."""

from __future__ import annotations

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

from ci.errors import MlopsError
from ci.score import Shard, score_with
from tests.support.scoring import servable_in

folder, source, target, limit = sys.argv[1:5]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    done = score_with(servable_in(Path(folder)), Path(source), Path(target), Path(folder) / "state")
except MlopsError as error:
    sys.exit(f"{error.code}: {error.message}")
# Not ru_maxrss, which a process takes over from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({**asdict(done), "peak_kib": int(status["VmHWM"].split()[0])}))
"""


def write_servable(folder: Path, **batch: object) -> Servable:
    """A model in ``folder`` that takes two thirds of x; ``batch`` is of its contract."""
    (folder / "model" / "artifact").mkdir(parents=True)
    (folder / "model" / "predict.py").write_text(PREDICT)
    return servable_in(folder, **batch)


def servable_in(folder: Path, **batch: object) -> Servable:
    """The model that ``write_servable`` wrote."""
    rules = {"schedule": "17 5 * * 1", "input": "rows.csv", **batch} if batch else None
    parsed = ModelContract.model_validate(contract("two-thirds", input=INPUT, batch=rules))
    model = folder / "model"
    return Servable(model / "predict.py", model / "artifact", parsed, 3, "f" * 40)


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


def start(folder: Path, source: Path, target: Path, limit: int = 0) -> subprocess.Popen[str]:
    """Score in a process of its own; ``limit`` bytes is the largest file that it may write."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(source), str(target), str(limit)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def calls(folder: Path) -> int:
    """How many times the model was asked since its state was new."""
    log = folder / "state" / "logs" / "score-two-thirds.log"
    return len(log.read_text().splitlines()) if log.exists() else 0
