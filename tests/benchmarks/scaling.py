"""How much longer commands take with 300 models in the tree than with 3."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import yaml

from ci.console import say
from ci.files import write_whole
from ci.repository import Repository
from tests.benchmarks.results import Result
from tests.support.repositories import commit_all, git, new_repository, write_model

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 3, 300
LIMIT = 2.0
REPEATS = 5
TRAINING_REPEATS = 3
FIRST = "model-000"
TRAINING = """\
import csv
import json
import pathlib

with open("../../data/sales/tables/sales.csv") as file:
    values = [float(row["x"]) for row in csv.DictReader(file)]
for folder in ("artifact", "evaluation"):
    pathlib.Path(folder).mkdir(exist_ok=True)
pathlib.Path("artifact/mean.txt").write_text(str(sum(values) / len(values)))
pathlib.Path("metrics.json").write_text(json.dumps({"rows": len(values)}))
with open("evaluation/holdout.csv", "w") as file:
    file.write("x,actual,store,mean_so_far\\n")
    file.writelines(f"{x},{2 * x},{i},1.0\\n" for i, x in enumerate(values))
"""


def run() -> list[Result]:
    """Seconds of each command with many models, against few."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = _repositories(Path(folder))
        return [
            _compare("mlops plan --base REF", _plan, few, many, REPEATS),
            _compare("mlops train, nothing changed", _train, few, many, REPEATS),
            _compare("mlops train, one change", _train_changed, few, many, TRAINING_REPEATS),
        ]


def _compare(
    case: str,
    command: Callable[[Repository], float],
    few: Repository,
    many: Repository,
    repeats: int,
) -> Result:
    """In turns, so that both meet the same machine."""
    say(f"scaling: {case}")
    times = [(command(many), command(few)) for _ in range(repeats)]
    slow, quick = (median(column) for column in zip(*times, strict=True))
    return Result("scaling", f"{case}: {MANY} models against {FEW}", slow, quick, "s", LIMIT)


def _repositories(folder: Path) -> tuple[Repository, Repository]:
    """Few and many models, alike but for that; on a branch that has changed one of them."""
    say(f"scaling: repositories with {FEW} and with {MANY} models")
    trained = _with_a_model(folder)
    both = [Repository(shutil.copytree(trained.root, folder / name)) for name in ("few", "many")]
    for repository, models in zip(both, (FEW, MANY), strict=True):
        for number in range(1, models):
            _copy(repository.models_dir / FIRST, f"model-{number:03}")
        commit_all(repository.root)
        git(repository.root, "checkout", "-q", "-b", "change")
        (repository.models_dir / "model-001" / "params.yaml").write_text("rounds: 1\n")
        commit_all(repository.root)
    return both[0], both[1]


def _with_a_model(folder: Path) -> Repository:
    repository = new_repository(folder / "trained")
    _mlops(repository, "data", "add", str(_table(folder)), "--name", "sales")
    model = write_model(repository, FIRST)
    (model / "train.py").write_text(TRAINING)
    _mlops(repository, "train", FIRST)
    return repository


def _copy(folder: Path, name: str) -> None:
    copy = shutil.copytree(folder, folder.with_name(name))
    contract = yaml.safe_load((copy / "model.yaml").read_text())
    (copy / "model.yaml").write_text(yaml.safe_dump({**contract, "name": name}, sort_keys=False))


def _table(folder: Path) -> Path:
    path = folder / "sales.csv"
    write_whole(path, "x,store\n" + "".join(f"{i / 10},{i % 7}\n" for i in range(500)))
    return path


def _plan(repository: Repository) -> float:
    return _mlops(repository, "plan", "--base", "main")


def _train(repository: Repository) -> float:
    return _mlops(repository, "train", FIRST)


def _train_changed(repository: Repository) -> float:
    path = repository.models_dir / FIRST / "train.py"
    path.write_text(f"{TRAINING}print({next(_CHANGES)})\n")
    return _mlops(repository, "train", FIRST)


_CHANGES = count(1)


def _mlops(repository: Repository, *arguments: str) -> float:
    """Seconds that the command takes as a process of its own."""
    program = Path(sys.executable).with_name("mlops")
    started = time.perf_counter()
    subprocess.run([program, *arguments], cwd=repository.root, check=True, capture_output=True)
    return time.perf_counter() - started
