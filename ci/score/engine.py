"""What scores pieces: the cores of this machine, or a Ray cluster. All around it is the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ci.errors import MlopsError
from ci.evaluate.pool import open_pool
from ci.score.job import PIECE_ROWS
from ci.score.piece import Scorer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.evaluate.candidate import Servable
    from ci.score.job import Plan
    from ci.score.piece import Done

NAMES = ("local", "ray")
CHUNK_TIMEOUT_SECONDS = 120.0


class Pending(Protocol):
    """A piece that is being scored."""

    def result(self) -> Done:
        """Wait for it; raises what `Scorer.piece` says."""

    def cancel(self) -> object:
        """Nobody wants it any more."""


@dataclass(frozen=True)
class Queue:
    """Takes rows and the number of their first; ``most`` says how many pieces may wait in it."""

    submit: Callable[[pa.Table, int], Pending]
    most: Callable[[], int]


@dataclass(frozen=True)
class Job:
    """A model, and ``rows`` of a plan for it. What the model prints is added to ``log``."""

    servable: Servable
    plan: Plan
    numbers: frozenset[str]
    rows: int
    log: Path


Engine = Callable[[Job], AbstractContextManager[Queue]]


def engine_named(name: str, address: str | None) -> Engine:
    """The engine ``local``, or ``ray`` at ``address``.

    Raises:
        MlopsError: ``bad_usage``, ``no_ray``.
    """
    if name == "ray":
        from ci.score.ray_engine import on_ray, require_ray

        require_ray()
        return partial(on_ray, address)
    if name != "local" or address is not None:
        problem = f"there is no engine {name!r}" if name != "local" else "--address is of Ray"
        raise MlopsError("bad_usage", f"{problem}; write --engine {' or --engine '.join(NAMES)}.")
    return on_this_machine


@contextmanager
def on_this_machine(job: Job) -> Iterator[Queue]:
    """A worker a core.

    Raises:
        MlopsError: what the runner says, of the start and of every piece.
    """
    workers = min(os.cpu_count() or 1, 1 + job.rows // PIECE_ROWS)
    # The pool closes first, so that nothing waits for a call that nobody wants any more.
    with (
        ThreadPoolExecutor(workers + 1) as threads,
        open_pool(job.servable, job.log, CHUNK_TIMEOUT_SECONDS, workers) as pool,
    ):
        scorer = Scorer(job.plan, job.numbers, pool)
        yield Queue(
            lambda table, first: threads.submit(scorer.piece, table, first), lambda: 2 * workers + 1
        )
