"""What a packaged model is, as the service reads it from its own directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.rows import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTRACT_FILE = "contract.json"
MODEL_DIRECTORY = "model"
ARTIFACT_DIRECTORY = "artifact"
RELEASE_VARIABLE = "MLOPS_RELEASE"
RECORDS_VARIABLE = "MLOPS_RECORDS"
ACCESS_VARIABLE = "MLOPS_ACCESS"
PREDICT_FILES = {"python": "predict.py", "r": "predict.R", "julia": "predict.jl"}


@dataclass(frozen=True)
class Bundle:
    """A model with its contract, as `model.yaml` says it, and its release.

    ``release`` says which version this is and where it comes from: model, version, fingerprint,
    bento, digest, run_id, git_commit, evaluation; it is empty for a candidate.
    """

    directory: Path
    contract: Mapping[str, Any]
    release: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.contract["name"])

    @property
    def language(self) -> str:
        """``python``, ``r`` or ``julia``."""
        return str(self.contract["language"])

    @property
    def version(self) -> int | None:
        """The registered version, or None for a candidate."""
        version: int | None = self.release.get("version")
        return version

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """The rules of each input column, in order."""
        return dict(self.contract["input"])

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """The rules of each output column, in order."""
        return dict(self.contract["output"])

    @property
    def limits(self) -> Mapping[str, Any]:
        """workers, timeout_seconds, max_rows and the other keys of `serving` in model.yaml."""
        limits: Mapping[str, Any] = self.contract["serving"]
        return limits

    @property
    def predict_file(self) -> Path:
        """The file with the model's functions."""
        return self.directory / MODEL_DIRECTORY / PREDICT_FILES[self.language]

    @property
    def artifact(self) -> Path:
        """The directory that ``load_model`` is given."""
        return self.directory / MODEL_DIRECTORY / ARTIFACT_DIRECTORY

    def example_row(self) -> dict[str, Any]:
        """A row that the contract allows."""
        return {name: sample(rules) for name, rules in self.inputs.items()}


def read_bundle(directory: Path) -> Bundle:
    """The bundle in ``directory``, with the release that the environment names.

    Raises ValueError where the release is of another model.
    """
    contract = json.loads((directory / CONTRACT_FILE).read_text(encoding="utf-8"))
    bundle = Bundle(directory, contract, _release())
    released = bundle.release.get("model", bundle.name)
    if released != bundle.name:
        raise ValueError(f"{RELEASE_VARIABLE} is a release of {released}, not of {bundle.name}")
    return bundle


def path_of(variable: str) -> Path | None:
    """The path that an environment variable names."""
    value = os.environ.get(variable)
    return Path(value) if value else None


def _release() -> dict[str, Any]:
    path = os.environ.get(RELEASE_VARIABLE)
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        release: dict[str, Any] = json.load(file)
    return release
