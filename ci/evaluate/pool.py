"""The workers that answer for a candidate or a version, outside of its API."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bentos.runners import RunnerError, RunnerPool
    from ci.evaluate.candidate import Servable


@contextmanager
def open_pool(
    servable: Servable, log: Path, least_seconds: float, workers: int = 1
) -> Iterator[RunnerPool]:
    """Workers with the model of ``servable``; a call may take its contract's time, or more.

    Args:
        servable: the model.
        log: where the model's own output goes.
        least_seconds: time for one call, where the contract allows less for a request.
        workers: how many processes.

    Raises:
        MlopsError: what the runner says, of the start and of every call.
    """
    from bentos.frames import Field
    from bentos.runners import RunnerError, RunnerPool

    contract = servable.contract
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with RunnerPool(
            contract.language,
            servable.predict_file,
            servable.artifact,
            [Field(name, column.type) for name, column in contract.output.items()],
            workers=workers,
            timeout_seconds=max(least_seconds, contract.serving.timeout_seconds),
            log=log,
        ) as pool:
            yield pool
    except RunnerError as error:
        raise said(contract.name, error) from None


def said(name: str, error: RunnerError) -> MlopsError:
    """What the runner of the model ``name`` says, to the person who asked."""
    return MlopsError(error.code, f"{name}: {error.message}")
