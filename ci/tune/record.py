"""Every trial is an MLflow run of its own, in the experiment `MODEL-tune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ci.registry.runs import VALUE_LIMIT, experiment
from ci.registry.store import client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

    from ci.contract.model import ModelContract
    from ci.repository import Repository
    from ci.tune.judge import Judged
    from ci.tune.outcome import JUDGED_ON, Search, Trial


class Records:
    """The runs of one search: they have its tag ``search`` in common."""

    def __init__(self, repository: Repository, contract: ModelContract, on: JUDGED_ON) -> None:
        self._mlflow = client(repository)
        self._experiment = experiment(self._mlflow, repository, f"{contract.name}-tune")
        self._contract, self._on = contract, on
        self.search = time.strftime("%Y%m%d-%H%M%S", time.gmtime())

    def add(self, trial: Trial, judged: Judged | None) -> str:
        """Write a trial that has ended; returns the run's id."""
        found = dict(judged.reported) if judged else {}
        if judged:
            found[f"{self._on}_{self._contract.evaluation.metric}"] = judged.value
        tags = {"search": self.search, "judged_on": self._on}
        return _write(self._mlflow, self._experiment, trial, found, tags)


def keep_trials(repository: Repository, found: Search, run_url: str) -> int:
    """Write all trials of a search that ran elsewhere, once; returns how many were new."""
    mlflow = client(repository)
    where = experiment(mlflow, repository, f"{found.model}-tune")
    same = f"tags.search = '{found.search}'"
    if mlflow.search_runs([where], filter_string=same, max_results=1):
        return 0
    tags = {"search": found.search, "judged_on": found.judged_on, "workflow_run": run_url}
    for trial in found.trials:
        known = {} if trial.value is None else {f"{found.judged_on}_{found.metric}": trial.value}
        _write(mlflow, where, trial, known, tags)
    return len(found.trials)


def _write(
    mlflow: MlflowClient,
    where: str,
    trial: Trial,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    from mlflow.entities import Metric, Param, RunTag

    end = int(time.time() * 1000)
    begin = end - int(trial.seconds * 1000)
    run = mlflow.create_run(where, start_time=begin, run_name=f"trial-{trial.number}")
    run_id = str(run.info.run_id)
    problem = {"problem": trial.problem[:VALUE_LIMIT]} if trial.problem else {}
    tagged = {**tags, "trial": str(trial.number), **problem}
    mlflow.log_batch(
        run_id,
        metrics=[Metric(key, value, end, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in trial.parameters.items()],
        tags=[RunTag(key, value) for key, value in tagged.items()],
    )
    mlflow.set_terminated(run_id, "FAILED" if trial.value is None else "FINISHED", end)
    return run_id
