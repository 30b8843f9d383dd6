"""`mlops tune` as people type it: better parameters, and a work tree that nothing else touches."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.cli.run import run
from ci.pipeline.dvc import reproduce
from ci.registry.store import client
from ci.repository import Repository
from tests.e2e.conftest import Make
from tests.support.command import begin, mlops, result
from tests.support.repositories import commit_all, git

PARAMS = "# Ask Grace first.\ntrain:\n  shrinkage: 0.3   # 0 not at all, 1 flat\n"
# The days that the shipped line is trained on and judged on, as parameters.
SPLIT = {"days[20]": "days[int(sys.argv[2])]", "days[40]": "days[int(sys.argv[3])]"}


def worse(make: Make, language: str) -> tuple[Repository, Path]:
    """A model that a search must make better; the seed's fifth trial is near the best."""
    repository = make(language)
    folder = repository.models_dir / f"sales-{language}"
    (folder / "params.yaml").write_text(PARAMS)
    commit_all(repository.root)
    return repository, folder


def with_split(make: Make, **tune: object) -> tuple[Repository, Path]:
    """The same in Python, with the split in params.yaml, and ``tune`` in its contract."""
    repository, folder = worse(make, "python")
    script = (folder / "train.py").read_text()
    for old, new in SPLIT.items():
        script = script.replace(old, new)
    (folder / "train.py").write_text(script)
    (folder / "params.yaml").write_text(f"{PARAMS}split: {{train: 20, holdout: 40}}\n")
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    pipeline["stages"]["train"]["cmd"] += " ${split.train} ${split.holdout}"
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump({**contract, "tune": tune}, sort_keys=False))
    commit_all(repository.root)
    return repository, folder


@pytest.mark.parametrize(
    "language", ["python", *(pytest.param(each, marks=pytest.mark.long) for each in ("r", "julia"))]
)
def test_the_best_of_the_declared_range_is_written(make: Make, language: str) -> None:
    repository, folder = worse(make, language)
    name = folder.name
    found = result(repository.root, "tune", name, "--trials", "5")
    assert [trial["number"] for trial in found["trials"]] == list(range(6))
    best = found["trials"][found["best"]]
    assert best["value"] < found["trials"][0]["value"]
    assert found["finding"] == "better"
    assert found["interval"][0] > 0
    assert found["judged_on"] == "holdout"
    assert "looked at 6 times" in found["note"]

    assert git(repository.root, "status", "--porcelain").split() == ["M", found["written"]]
    written = (folder / "params.yaml").read_text()
    assert written == PARAMS.replace("0.3", str(best["parameters"]["train.shrinkage"]))
    assert (repository.root / found["plot"]).read_bytes().startswith(b"\x89PNG")
    assert list((repository.state_dir / "tune").iterdir()) == []

    mlflow = client(repository)
    (experiment,) = [e for e in mlflow.search_experiments() if e.name == f"{name}-tune"]
    runs = mlflow.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == {trial["run_id"] for trial in found["trials"]}
    logged = {run.info.run_id: run.data.metrics["holdout_mae"] for run in runs}
    assert logged == {trial["run_id"]: trial["value"] for trial in found["trials"]}


def test_with_a_validation_no_trial_is_judged_on_the_holdout(make: Make) -> None:
    repository, _ = with_split(make, validation={"split.train": 10, "split.holdout": 20}, trials=5)
    found = result(repository.root, "tune", "sales-python")
    assert found["judged_on"] == "validation"
    assert found["rows"] == 10 * 30
    assert "no trial was judged on the holdout" in found["note"]
    assert found["written"]
    params = yaml.safe_load((repository.root / found["written"]).read_text())
    assert params["split"] == {"train": 20, "holdout": 40}


def test_a_validation_that_is_the_holdout_is_refused(make: Make) -> None:
    repository, _ = with_split(make, validation={"split.train": 10, "split.holdout": 25})
    done = mlops(repository.root, "tune", "sales-python", "--trials", "1", "--json")
    assert done.error == "bad_validation"
    assert "150 of its 450 rows" in done.message
    assert git(repository.root, "status", "--porcelain") == ""


def test_a_trial_that_changes_the_rows_it_is_judged_on_is_not_compared(make: Make) -> None:
    days = {"type": "integer", "minimum": 30, "maximum": 31}
    repository, _ = with_split(make, parameters={"split.holdout": days})
    found = result(repository.root, "tune", "sales-python", "--trials", "4")
    assert found["best"] is None
    assert found["written"] is None
    assert len(found["trials"]) == 3, "there are two values, and today's"
    assert all("not to be compared" in trial["problem"] for trial in found["trials"][1:])


def test_a_training_that_fails_with_today_s_parameters_is_said(make: Make) -> None:
    repository, folder = worse(make, "python")
    (folder / "train.py").write_text("raise ValueError('no rows today')\n")
    done = mlops(repository.root, "tune", folder.name, "--trials", "1", "--json")
    assert done.error == "pipeline_failed"
    assert "no rows today" in done.message
    assert (folder / "params.yaml").read_text() == PARAMS


def test_a_trial_that_hangs_is_ended_and_counts_as_failed(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository, folder = worse(make, "python")
    script = (folder / "train.py").read_text()
    hang = "while shrinkage != 0.3:\n    time.sleep(0.05)\n"
    pid = "open('../../.mlops/training.pid', 'w').write(str(os.getpid()))\n"
    script = script.replace(
        "os.makedirs", f"os.makedirs('../../.mlops', exist_ok=True)\n{pid}{hang}os.makedirs", 1
    )
    (folder / "train.py").write_text(script)
    commit_all(repository.root)
    monkeypatch.setattr("ci.tune.search.SLOWER", 1)
    monkeypatch.setattr("ci.tune.search.LEAST_SECONDS", 6.0)
    monkeypatch.chdir(repository.root)
    seen: list[int] = []
    monkeypatch.setattr("ci.tune.workshop.reproduce", _watched(seen))
    assert run(["tune", folder.name, "--trials", "2", "--json"]) == 0
    first, *others = json.loads(capsys.readouterr().out)["trials"]
    assert first["value"] is not None
    assert len(others) == 2
    assert ["had not ended after" in trial["problem"] for trial in others] == [True] * 2, others
    assert len(seen) == 3
    while any(Path(f"/proc/{process}").exists() for process in seen):
        time.sleep(0.05)


def test_who_interrupts_a_trial_waits_for_no_clock(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, folder = worse(make, "python")

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ci.pipeline.dvc.say", interrupted)
    target, log = f"models/{folder.name}/dvc.yaml", repository.state_dir / "log"
    with pytest.raises(KeyboardInterrupt):
        reproduce(repository, target, log, seconds=600)
    clocks = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert all(each.finished.is_set() for each in clocks)


def _watched(seen: list[int]) -> Callable[..., None]:
    """What runs a trial's pipeline, and notes the process of each training."""

    def watched(repository: Repository, *arguments: Any, **options: Any) -> None:
        try:
            reproduce(repository, *arguments, **options)
        finally:
            seen.append(int((repository.root / ".mlops" / "training.pid").read_text()))

    return watched


def test_a_budget_of_time_ends_the_search(make: Make) -> None:
    repository, folder = worse(make, "python")
    found = result(repository.root, "tune", folder.name, "--minutes", "0.01")
    assert [trial["number"] for trial in found["trials"]] == [0]
    assert found["written"] is None


def test_a_search_that_is_killed_leaves_nothing_behind(make: Make) -> None:
    repository, folder = worse(make, "python")
    copy = repository.state_dir / "tune" / folder.name
    hold, training = copy / ".mlops" / "hold", copy / ".mlops" / "training.pid"
    search = begin(repository.root, "tune", folder.name, "--trials", "50")
    while not (copy / ".dvc" / "config.local").exists():
        assert search.poll() is None
        time.sleep(0.01)
    hold.parent.mkdir(exist_ok=True)
    hold.touch()
    while not (training.exists() and training.read_text().endswith("\n")):
        assert search.poll() is None
        time.sleep(0.05)
    process = int(training.read_text())
    search.send_signal(signal.SIGKILL)
    search.wait()
    while Path(f"/proc/{process}").exists():
        time.sleep(0.05)
    assert git(repository.root, "status", "--porcelain") == ""
    assert (folder / "params.yaml").read_text() == PARAMS
    found = result(repository.root, "tune", folder.name, "--trials", "1")
    assert len(found["trials"]) == 2
    assert os.listdir(copy.parent) == []
