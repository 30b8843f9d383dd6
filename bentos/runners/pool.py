"""A pool of worker processes that answers while workers crash, hang and return nonsense.

A worker that is late, dead or unintelligible is killed with its process group and replaced; it is
never spoken to again. A call is retried once if its worker died, since predictions are pure, and
never after a time-out or an error of the model.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bentos.frames import Field, Frame, FrameError, decode, encode
from bentos.runners.calls import Calls, died_twice, late_error
from bentos.runners.crew import Crew, one_line
from bentos.runners.errors import ModelError, NoWorkerError
from bentos.runners.languages import LANGUAGES
from bentos.runners.process import BadReply, Worker, WorkerDied, WorkerLate
from bentos.runners.results import empty_result, validated_result

if TYPE_CHECKING:
    from collections.abc import Iterable


class RunnerPool:
    """Workers that hold one model, in `python`, `r` or `julia`.

    `outputs` are Field or (name, type) pairs of the contract. `log` takes what the workers print.
    `memory_bytes` limits the data memory of each worker; 0 is no limit.
    """

    def __init__(  # noqa: PLR0913
        self,
        language: str,
        predict_file: Path | str,
        artifact: Path | str,
        outputs: Iterable[Field | tuple[str, str]],
        *,
        workers: int = 1,
        timeout_seconds: float = 10,
        start_timeout_seconds: float = 60,
        log: Path | str | None = None,
        memory_bytes: int = 0,
    ) -> None:
        self.language = LANGUAGES[language]
        self.predict_file = Path(predict_file).resolve()
        self.outputs = [Field(*each) for each in outputs]
        self.timeout_seconds = timeout_seconds
        self._start_timeout_seconds = start_timeout_seconds
        self._workers = workers
        self._crew = Crew(
            self.language,
            self.predict_file,
            Path(artifact).resolve(),
            workers,
            start_timeout_seconds,
            None if log is None else Path(log).absolute(),
            memory_bytes,
        )
        self._calls: Calls | None = None

    def start(self) -> None:
        """Start the workers and load the model in each.

        Raises MissingToolchainError or ModelLoadError; nothing is left running then.
        """
        self._crew.start()

    def close(self) -> None:
        """Kill the workers and remove what they left; calls under way end with NoWorkerError."""
        self._crew.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alive(self) -> int:
        """How many workers live and have loaded the model."""
        return self._crew.alive()

    @property
    def restarts(self) -> int:
        """How many workers were started in place of others."""
        return self._crew.restarts

    def pids(self) -> list[int]:
        """The process ids of the workers that have loaded the model."""
        return self._crew.pids()

    def warm_up(self, frame: Frame) -> None:
        """Have each worker predict `frame` once: the first call compiles, and is slow.

        Raises as `predict` does, but allows the time of a start.
        """
        request = encode(frame)
        deadline = time.monotonic() + self._start_timeout_seconds
        taken: list[Worker] = []
        try:
            for _ in range(self._workers):
                taken.append(self._crew.check_out(deadline))
                self._exchange(taken[-1], request, frame.rows, deadline)
        except WorkerDied as error:
            raise NoWorkerError(
                f"The {self.language.title} process died while it predicted the example"
                f"{self._crew.see_log()}."
            ) from error
        finally:
            for worker in taken:
                self._crew.check_in(worker)

    def predict(self, frame: Frame) -> Frame:
        """The model's answer: the contract's outputs, one value a row of `frame`.

        Thread-safe; waits at most `timeout_seconds`. Raises ModelError, NoWorkerError or
        DeadlineError, and FrameError if `frame` can't be sent.
        """
        return self._predict_until(frame, time.monotonic() + self.timeout_seconds)

    def predict_encoded(self, request: bytes, rows: int) -> Frame:
        """As `predict`, for a frame of ``rows`` rows that is in bytes already."""
        if not rows:
            return empty_result(self.outputs)
        return self._call(request, rows, time.monotonic() + self.timeout_seconds)

    async def predict_async(self, frame: Frame) -> Frame:
        """As `predict`, in an event loop; rows of callers that wait go to a worker together."""
        if not frame.rows:
            return empty_result(self.outputs)
        return await self._calls_here().predict(frame, self.timeout_seconds)

    def waiting(self) -> int:
        """How many calls of the event loop wait for a worker."""
        return len(self._calls) if self._calls else 0

    def _calls_here(self) -> Calls:
        if self._calls is None or self._calls.loop is not asyncio.get_running_loop():
            self._calls = Calls(self._crew, self.language, self.outputs)
        return self._calls

    def _predict_until(self, frame: Frame, deadline: float) -> Frame:
        if not frame.rows:
            return empty_result(self.outputs)
        return self._call(encode(frame), frame.rows, deadline)

    def _call(self, request: bytes, rows: int, deadline: float) -> Frame:
        for _ in range(2):
            worker = self._crew.check_out(deadline)
            try:
                return self._exchange(worker, request, rows, deadline)
            except WorkerDied:
                continue
            finally:
                self._crew.check_in(worker)
        raise died_twice(self.language.title, self._crew.see_log())

    def _exchange(self, worker: Worker, request: bytes, rows: int, deadline: float) -> Frame:
        """One call; unless the worker answered it intelligibly, it is killed."""
        answered = False
        try:
            reply = worker.call(request, deadline)
            result = decode(reply.body) if reply.kind == b"DONE" else None
            answered = True
        except WorkerLate as error:
            raise late_error(worker) from error
        except (BadReply, FrameError) as error:
            raise NoWorkerError(f"The worker sent an unreadable reply: {error}.") from error
        finally:
            if not answered:
                worker.kill()
        function = self.language.predict_function
        if result is None:
            raise ModelError(f"{function} failed: {one_line(reply.body)}")
        return validated_result(result, self.outputs, rows, function)
