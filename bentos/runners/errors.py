"""What can go wrong when a model predicts, each with a stable code."""

from __future__ import annotations

from typing import ClassVar


class RunnerError(Exception):
    """One sentence that says what went wrong, and a code for programs."""

    code: ClassVar[str] = "runner_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelError(RunnerError):
    """The model's code raised an error, or returned something else than its contract says."""

    code = "model_error"


class NoWorkerError(RunnerError):
    """No worker lived long enough to answer."""

    code = "no_worker"


class DeadlineError(RunnerError):
    """No answer within the time allowed."""

    code = "deadline"


class ModelLoadError(RunnerError):
    """The predict file or the artifact could not be loaded."""

    code = "model_load"


class MissingToolchainError(RunnerError):
    """The language that the model is written in is not installed."""

    code = "missing_toolchain"
