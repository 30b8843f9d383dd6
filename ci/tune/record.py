"""Every trial is an MLflow run of its own, in the experiment `MODEL-tune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ci.registry.runs import VALUE_LIMIT, experiment
from ci.registry.store import client

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.repository import Repository
    from ci.tune.judge import Judged
    from ci.tune.outcome import JUDGED_ON, Trial


class Records:
    """The runs of one search: they have its tag ``search`` in common."""

    def __init__(self, repository: Repository, contract: ModelContract, on: JUDGED_ON) -> None:
        self._mlflow = client(repository)
        self._experiment = experiment(self._mlflow, repository, f"{contract.name}-tune")
        self._contract, self._on = contract, on
        self.search = time.strftime("%Y%m%d-%H%M%S", time.gmtime())

    def add(self, trial: Trial, judged: Judged | None) -> str:
        """Write a trial that has ended; returns the run's id."""
        from mlflow.entities import Metric, Param, RunTag

        end = int(time.time() * 1000)
        run = self._mlflow.create_run(
            self._experiment,
            start_time=end - int(trial.seconds * 1000),
            run_name=f"trial-{trial.number}",
        )
        run_id = str(run.info.run_id)
        found = dict(judged.reported) if judged else {}
        if judged:
            found[f"{self._on}_{self._contract.evaluation.metric}"] = judged.value
        tags = {"search": self.search, "trial": str(trial.number), "judged_on": self._on}
        if trial.problem:
            tags["problem"] = trial.problem[:VALUE_LIMIT]
        self._mlflow.log_batch(
            run_id,
            metrics=[Metric(key, value, end, 0) for key, value in found.items()],
            params=[Param(key, str(value)) for key, value in trial.parameters.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._mlflow.set_terminated(run_id, "FINISHED" if judged else "FAILED", end)
        return run_id
