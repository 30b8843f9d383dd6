"""Runs: what was trained, on which data, code and parameters, with which result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ci.registry.store import artifact_location, client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

    from ci.pipeline.candidate import Candidate
    from ci.repository import Repository

VALUE_LIMIT = 500


def log_run(
    repository: Repository,
    candidate: Candidate,
    determinants: dict[str, str],
    lineage: Mapping[str, str] | None = None,
) -> str:
    """Write ``candidate`` as a finished MLflow run of the experiment named after its model.

    ``determinants`` (path or word → digest) are kept as tags, so that a run names its data, its
    code and its parameters; ``lineage`` are further tags. Returns the run's id.
    """
    from mlflow.entities import Metric, Param, RunTag

    mlflow = client(repository)
    now = int(time.time() * 1000)
    run = mlflow.create_run(
        experiment(mlflow, repository, candidate.model),
        start_time=now - int(candidate.seconds * 1000),
        run_name=candidate.fingerprint[:12],
    )
    run_id = str(run.info.run_id)
    mlflow.log_batch(
        run_id,
        metrics=[Metric(key, value, now, 0) for key, value in candidate.metrics.items()],
        params=[Param(key, value) for key, value in _flat(candidate.params).items()],
        tags=[
            RunTag(*tag) for tag in {**_tags(candidate, determinants), **(lineage or {})}.items()
        ],
    )
    mlflow.set_terminated(run_id, "FINISHED", now)
    return run_id


def experiment(mlflow: MlflowClient, repository: Repository, name: str) -> str:
    """The id of the experiment ``name``, which is made where there is none."""
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(mlflow.create_experiment(name, artifact_location=artifact_location(repository)))


def _tags(candidate: Candidate, determinants: dict[str, str]) -> dict[str, str]:
    tags = {f"digest.{path}": digest for path, digest in determinants.items()}
    outputs = {f"output.{path}": digest for path, digest in candidate.outputs.items()}
    commit = {"git_commit": candidate.git_commit} if candidate.git_commit else {}
    language = {"toolchain": candidate.toolchain} if candidate.toolchain else {}
    return {**tags, **outputs, **commit, **language, "fingerprint": candidate.fingerprint}


def _flat(params: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value)[:VALUE_LIMIT]
    return found
