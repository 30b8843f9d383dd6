"""The candidate: the model that the newest run made, and the proof that it is still whole."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ci.contract.model import ARTIFACT, METRICS
from ci.errors import MlopsError
from ci.files import file_digest, read_json, tree_digest, write_json
from ci.fingerprint import fingerprint
from ci.trust.artifact import require_loadable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.repository import Repository


@dataclass(frozen=True)
class Candidate:
    """What a finished run recorded.

    ``outputs`` maps each file that later steps read (relative to the model's folder; the
    artifact as one tree) to its SHA-256; ``data`` maps each dataset file to DVC's digest;
    ``toolchain`` is the language that trained, with its version.
    """

    model: str
    run_id: str
    fingerprint: str
    trained_at: str
    seconds: float
    git_commit: str | None
    outputs: dict[str, str]
    metrics: dict[str, float]
    params: dict[str, Any]
    data: dict[str, str]
    inputs: dict[str, str]
    toolchain: str | None = None


def candidate_dir(repository: Repository, name: str) -> Path:
    """Where the records about a model's candidate lie."""
    return repository.state_dir / "candidates" / name


def read_candidate(repository: Repository, name: str) -> Candidate | None:
    """The newest record, whether or not it still holds."""
    record = read_json(candidate_dir(repository, name) / "training.json")
    try:
        return Candidate(**record) if record else None
    except TypeError:  # written by an older version of the platform
        return None


def write_candidate(repository: Repository, candidate: Candidate) -> None:
    """Record ``candidate`` as the newest."""
    write_json(candidate_dir(repository, candidate.model) / "training.json", asdict(candidate))


def current_candidate(
    repository: Repository, contract: ModelContract, but: Collection[str] = ()
) -> Candidate:
    """The candidate of the working tree; of the files ``but`` it does not matter what they hold.

    Raises:
        MlopsError: ``no_candidate`` where none was trained, ``outdated_candidate`` where the
            folder, its data or the outputs have changed since, ``format_not_allowed`` where
            policies/trust.yaml does not let a file of the artifact be loaded.
    """
    name = contract.name
    candidate = read_candidate(repository, name)
    if candidate is None:
        raise MlopsError("no_candidate", f"{name} has not been trained; type: mlops train {name}")
    if candidate.fingerprint != fingerprint(repository, name):
        raise MlopsError(
            "outdated_candidate",
            f"{name} has changed since it was trained; type: mlops train {name}",
        )
    found = output_digests(repository.model_dir(name), contract)
    if any(
        candidate.outputs.get(path) != found.get(path)
        for path in {*candidate.outputs, *found}.difference(but)
    ):
        raise MlopsError(
            "outdated_candidate",
            f"The outputs in models/{name} are not those of its last finished run (it was cut off "
            f"or they were edited); type: mlops train {name}",
        )
    require_loadable(repository, contract, repository.model_dir(name) / ARTIFACT)
    return candidate


def output_digests(folder: Path, contract: ModelContract) -> dict[str, str]:
    """SHA-256 of all that a run of this model must leave behind; missing files are left out."""
    digests = {path: file_digest(folder / path) for path in _files(folder, contract)}
    if (folder / ARTIFACT).is_dir():
        digests[ARTIFACT] = tree_digest(folder / ARTIFACT)
    return digests


def _files(folder: Path, contract: ModelContract) -> list[str]:
    return [path for path in required_files(contract) if (folder / path).is_file()]


def required_files(contract: ModelContract) -> list[str]:
    """Files that the pipeline must write beside the artifact."""
    files = [METRICS, contract.evaluation.holdout]
    if contract.monitoring:
        files += [contract.monitoring.reference, contract.monitoring.analysis]
    if contract.batch and contract.batch.input.file:
        files.append(contract.batch.input.file)
    return list(dict.fromkeys(files))


def check_outputs(folder: Path, contract: ModelContract) -> dict[str, float]:
    """The metrics of a finished run, once all that it must write is there.

    Raises:
        MlopsError: ``no_artifact``, ``missing_output`` or ``bad_metrics``.
    """
    name = contract.name
    artifact = folder / ARTIFACT
    if not artifact.is_dir() or not any(path.is_file() for path in artifact.rglob("*")):
        raise MlopsError(
            "no_artifact",
            f"The pipeline of {name} wrote no model: models/{name}/{ARTIFACT}/ is missing or "
            f"empty; let a stage of models/{name}/dvc.yaml write it and list it under outs.",
        )
    for path in required_files(contract):
        if not (folder / path).is_file():
            raise MlopsError(
                "missing_output",
                f"The pipeline of {name} did not write models/{name}/{path}; let a stage of "
                "dvc.yaml write it, or name another file in model.yaml.",
            )
    return read_metrics(folder / METRICS, f"models/{name}/{METRICS}")


def read_metrics(path: Path, shown: str) -> dict[str, float]:
    """The finite numbers in a flat JSON object.

    Raises:
        MlopsError: ``bad_metrics``.
    """
    metrics = read_json(path)
    if not metrics:
        raise MlopsError(
            "bad_metrics", f"{shown} is not a JSON object of numbers; let the training write one."
        )
    for key, value in metrics.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) <= sys.float_info.max:  # NaN is not; 10**400 neither
            raise MlopsError(
                "bad_metrics",
                f"{shown}: {key} is {value!r}, not a finite number; mend the training script.",
            )
    return {key: float(value) for key, value in metrics.items()}
