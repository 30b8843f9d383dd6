"""`mlops train`: run the pipeline, check what it wrote, log the run."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.busy import in_turn, only_one
from ci.console import say, step
from ci.contract.model import load_model_contract
from ci.dataset.ready import ensure_valid
from ci.errors import MlopsError
from ci.files import read_yaml_quickly
from ci.fingerprint import fingerprint, inputs
from ci.git import head_commit
from ci.pipeline.candidate import (
    Candidate,
    check_outputs,
    current_candidate,
    output_digests,
    read_candidate,
    write_candidate,
)
from ci.pipeline.dvc import reproduce
from ci.toolchain import require, toolchain

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.repository import Repository


def train(repository: Repository, name: str, *, kept: bool = True) -> Candidate:
    """Train ``name`` and return its candidate; a candidate that still holds is returned as it is.

    Args:
        repository: the checkout.
        name: the model.
        kept: whether MLflow is told of the run. A job whose registry ends with it tells it nothing:
            its run has an id, which the version that comes of it names.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``missing_toolchain``, ``busy``,
            ``bad_data``, ``pipeline_failed``, ``no_artifact``, ``missing_output`` or
            ``bad_metrics``.
    """
    contract = load_model_contract(repository, name)
    if not (repository.model_dir(name) / "dvc.yaml").is_file():
        raise MlopsError(
            "no_pipeline",
            f"models/{name}/dvc.yaml is missing: write its stages there, or look at what "
            f"`mlops new example --language {contract.language}` makes.",
        )
    with only_one(repository, "train", name):
        unchanged = _unchanged(repository, contract)
        if unchanged:
            say(f"{name}: nothing has changed since run {unchanged.run_id}.")
            return unchanged
        require(contract.language)
        return _run(repository, contract, kept=kept)


def _unchanged(repository: Repository, contract: ModelContract) -> Candidate | None:
    try:
        candidate = current_candidate(repository, contract)
    except MlopsError:
        return None
    return candidate if candidate.inputs == _input_stats(repository, contract.name) else None


def _input_stats(repository: Repository, name: str) -> dict[str, str]:
    """Size and time of the data files on disk: an edit by hand must not go unseen."""
    found = {}
    for path in inputs(repository, name):
        file = repository.root / path
        if path.startswith("data/") and file.is_file():
            stat = file.stat()
            found[path] = f"{stat.st_size}-{stat.st_mtime_ns}"
    return found


def _run(repository: Repository, contract: ModelContract, *, kept: bool) -> Candidate:
    name = contract.name
    begin = time.monotonic()
    log = repository.state_dir / "logs" / f"train-{name}.log"
    for dataset in contract.datasets:
        ensure_valid(repository, dataset)
    say(f"{name}: running its pipeline (DVC) …")
    with in_turn(repository, "pipeline"):  # DVC refuses stages that share data with a running one
        reproduce(repository, f"models/{name}/dvc.yaml", log)
    seconds = time.monotonic() - begin
    folder = repository.model_dir(name)
    metrics = check_outputs(folder, contract)
    determinants = inputs(repository, name)
    draft = Candidate(
        model=name,
        run_id="",
        fingerprint=fingerprint(repository, name),
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        git_commit=head_commit(repository.root),
        outputs=output_digests(folder, contract),
        metrics=metrics,
        params=read_yaml_quickly(folder / "params.yaml"),
        data={path: digest for path, digest in determinants.items() if path.startswith("data/")},
        inputs=_input_stats(repository, name),
        toolchain=toolchain(contract.language),
    )
    if not kept:
        return _written(repository, replace(draft, run_id=uuid.uuid4().hex))
    return _record(repository, draft, determinants)


def _record(repository: Repository, draft: Candidate, determinants: dict[str, str]) -> Candidate:
    """Log the run to MLflow, once: the same candidate keeps its run."""
    from ci.registry.runs import log_run

    before = read_candidate(repository, draft.model)
    same = before and before.fingerprint == draft.fingerprint and before.outputs == draft.outputs
    if before and same:
        candidate = replace(draft, run_id=before.run_id)
    else:
        with step(f"{draft.model}: logging the run to MLflow"):
            candidate = replace(draft, run_id=log_run(repository, draft, determinants))
    return _written(repository, candidate)


def _written(repository: Repository, candidate: Candidate) -> Candidate:
    write_candidate(repository, candidate)
    return candidate
