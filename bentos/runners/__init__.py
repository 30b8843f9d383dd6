"""Runs a model's predict code, in Python, R or Julia, in worker processes of its own."""

from bentos.runners.check import check_predict_file
from bentos.runners.errors import (
    DeadlineError,
    MissingToolchainError,
    ModelError,
    ModelLoadError,
    NoWorkerError,
    RunnerError,
)
from bentos.runners.languages import LANGUAGES
from bentos.runners.pool import RunnerPool

__all__ = [
    "LANGUAGES",
    "DeadlineError",
    "MissingToolchainError",
    "ModelError",
    "ModelLoadError",
    "NoWorkerError",
    "RunnerError",
    "RunnerPool",
    "check_predict_file",
]
