"""A pool of worker processes that answers while workers crash, hang and return nonsense.

A worker that is late, dead or unintelligible is killed with its process group and replaced; it is
never spoken to again. A call is retried once if its worker died, since predictions are pure, and
never after a time-out or an error of the model.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bentos.frames import Field, Frame, FrameError, decode, encode
from bentos.runners.errors import (
    DeadlineError,
    ModelError,
    ModelLoadError,
    NoWorkerError,
    RunnerError,
)
from bentos.runners.languages import LANGUAGES
from bentos.runners.process import BadReply, Worker, WorkerDied, WorkerLate
from bentos.runners.results import empty_result, validated_result
from bentos.runners.scratch import Scratch, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECK_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
LONGEST_MESSAGE = 1000


class RunnerPool:
    """Workers that hold one model.

    `outputs` are Field or (name, type) pairs of the contract. `log` takes what the workers print.
    `memory_bytes` limits the data memory of each worker.
    """

    def __init__(  # noqa: PLR0913
        self,
        language: str,
        predict_file: Path,
        artifact: Path,
        outputs: Iterable[Field],
        *,
        workers: int = 1,
        timeout_seconds: float = 10,
        start_timeout_seconds: float = 60,
        log: Path | None = None,
        memory_bytes: int = 0,
    ) -> None:
        self.language = LANGUAGES[language]
        self.predict_file = Path(predict_file).resolve()
        self.artifact = Path(artifact).resolve()
        self.outputs = [Field(*each) for each in outputs]
        self.workers = workers
        self.timeout_seconds = timeout_seconds
        self.start_timeout_seconds = start_timeout_seconds
        self.log = None if log is None else Path(log).resolve()
        self.memory_bytes = memory_bytes
        self.restarts = 0
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._ready: set[Worker] = set()
        self._starting: set[Worker] = set()
        self._dead: list[Worker] = []
        self._failure: RunnerError | None = None
        self._open = False
        self._keeper: threading.Thread | None = None
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Start the workers and load the model in each.

        Raises MissingToolchainError or ModelLoadError; nothing is left running then.
        """
        command = self.language.command(self.predict_file, self.artifact)
        remove_abandoned()
        self._open = True
        self._failure = None
        self._threads = ThreadPoolExecutor(self.workers, "runner-call")
        # Workers die with the thread that started them, so one thread lives as long as they do.
        self._keeper = threading.Thread(
            target=self._keep, args=(command,), name="runner-keeper", daemon=True
        )
        self._keeper.start()
        with self._changed:
            self._changed.wait_for(lambda: self._failure or len(self._ready) == self.workers)
            failure = self._failure
        if failure is not None:
            self.close()
            raise failure

    def close(self) -> None:
        """Kill the workers and remove what they left; calls under way end with NoWorkerError."""
        with self._changed:
            self._open = False
            for worker in self._ready | self._starting:
                worker.kill()
            self._changed.notify_all()
        if self._keeper is not None:
            self._keeper.join()
        if self._threads is not None:
            self._threads.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alive(self) -> int:
        """How many workers live and have loaded the model."""
        with self._changed:
            return sum(worker.running() for worker in self._ready)

    def pids(self) -> list[int]:
        """The process ids of the workers that have loaded the model."""
        with self._changed:
            return sorted(worker.pid for worker in self._ready)

    def warm_up(self, frame: Frame) -> None:
        """Have each worker predict `frame` once: the first call compiles, and is slow.

        Raises as `predict` does, but allows the time of a start.
        """
        request = encode(frame)
        deadline = time.monotonic() + self.start_timeout_seconds
        with self._changed:
            workers = len(self._ready)
        taken = []
        try:
            for _ in range(workers):
                taken.append(self._check_out(deadline))
                self._exchange(taken[-1], request, frame.rows, deadline)
        except WorkerDied as error:
            raise NoWorkerError("A worker died while it predicted the example.") from error
        finally:
            for worker in taken:
                self._check_in(worker)

    def predict(self, frame: Frame) -> Frame:
        """The model's answer: the contract's outputs, one value a row of `frame`.

        Thread-safe; waits at most `timeout_seconds`. Raises ModelError, NoWorkerError or
        DeadlineError, and FrameError if `frame` can't be sent.
        """
        return self._predict_until(frame, time.monotonic() + self.timeout_seconds)

    async def predict_async(self, frame: Frame) -> Frame:
        """As `predict`, for an event loop."""
        deadline = time.monotonic() + self.timeout_seconds
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._predict_until, frame, deadline)

    def _predict_until(self, frame: Frame, deadline: float) -> Frame:
        if not frame.rows:
            return empty_result(self.outputs)
        request = encode(frame)
        for _ in range(2):
            worker = self._check_out(deadline)
            try:
                return self._exchange(worker, request, frame.rows, deadline)
            except WorkerDied:
                continue
            finally:
                self._check_in(worker)
        raise NoWorkerError(
            f"The {self.language.title} process died while it answered, and so did its "
            f"replacement{self._see_log()}."
        )

    def _exchange(self, worker: Worker, request: bytes, rows: int, deadline: float) -> Frame:
        """One call; unless the worker answered it well, it is killed."""
        answered = False
        try:
            reply = worker.call(request, deadline)
            result = decode(reply.body) if reply.kind == b"DONE" else None
            answered = True
        except WorkerLate as error:
            raise DeadlineError("The model did not answer within its time limit.") from error
        except (BadReply, FrameError) as error:
            raise NoWorkerError(f"The worker sent an unreadable reply: {error}.") from error
        finally:
            if not answered:
                worker.kill()
        function = self.language.predict_function
        if result is None:
            raise ModelError(f"{function} failed: {_message(reply.body)}")
        return validated_result(result, self.outputs, rows, function)

    def _check_out(self, deadline: float) -> Worker:
        with self._changed:
            while True:
                if not self._open:
                    raise NoWorkerError("The model's workers have been stopped.")
                # A call that comes too late must not cost a worker its life.
                while self._idle and time.monotonic() < deadline:
                    worker = self._idle.pop()
                    if worker.running():
                        return worker
                    self._drop(worker)
                if self._failure and not self._ready and not self._starting:
                    raise NoWorkerError(f"No worker lives: {self._failure.message}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise self._nobody_free()

    def _nobody_free(self) -> RunnerError:
        if self._ready:
            return DeadlineError("All workers were busy for the whole time limit.")
        return NoWorkerError("No worker became ready within the time limit.")

    def _check_in(self, worker: Worker) -> None:
        with self._changed:
            if worker.killed or not worker.running():
                self._drop(worker)
            else:
                self._idle.append(worker)
                self._changed.notify()

    def _drop(self, worker: Worker) -> None:
        worker.kill()
        self._ready.discard(worker)
        self._dead.append(worker)
        self._changed.notify_all()

    def _keep(self, command: list[str]) -> None:
        """Hold the number of workers until the pool closes; runs in a thread of its own."""
        scratch = Scratch()
        pause = FIRST_PAUSE_SECONDS
        first = True
        while self._open:
            failure = self._fill(command, scratch, first)
            first = False
            self._bury_dead()
            with self._changed:
                self._failure = failure
                self._changed.notify_all()
                if failure is None:
                    pause = FIRST_PAUSE_SECONDS
                    self._changed.wait_for(self._work_to_do, CHECK_SECONDS)
                    self._drop_dead_idle()
                else:
                    self._changed.wait_for(lambda: not self._open, pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        with self._changed:
            for worker in list(self._ready):
                self._drop(worker)
            self._idle.clear()
        self._bury_dead()
        scratch.remove()

    def _work_to_do(self) -> bool:
        return bool(self._dead) or not self._open

    def _drop_dead_idle(self) -> None:
        for worker in [each for each in self._idle if not each.running()]:
            self._idle.remove(worker)
            self._drop(worker)

    def _bury_dead(self) -> None:
        with self._changed:
            dead, self._dead = self._dead, []
        for worker in dead:
            worker.bury()

    def _fill(self, command: list[str], scratch: Scratch, first: bool) -> RunnerError | None:
        """Start the workers that are missing, side by side; the first failure, if any."""
        with self._changed:
            absent = self.workers - len(self._ready) if self._open else 0
            folder = self.predict_file.parent
            try:
                fresh = [
                    Worker(command, folder, scratch.path, self.log, self.memory_bytes)
                    for _ in range(absent)
                ]
            except OSError as error:
                return ModelLoadError(f"The worker could not be started: {error}.")
            self._starting.update(fresh)
            self.restarts += 0 if first else absent
        deadline = time.monotonic() + self.start_timeout_seconds
        failures = [self._await_open(worker, deadline) for worker in fresh]
        return next((each for each in failures if each is not None), None)

    def _await_open(self, worker: Worker, deadline: float) -> RunnerError | None:
        failure: RunnerError | None = None
        try:
            reply = worker.receive(deadline)
            if reply.kind != b"OPEN":
                failure = ModelLoadError(_message(reply.body))
        except WorkerLate:
            failure = ModelLoadError(
                f"{self.predict_file.name} did not load the model within "
                f"{self.start_timeout_seconds:g} seconds{self._see_log()}."
            )
        except (WorkerDied, BadReply):
            failure = ModelLoadError(
                f"The {self.language.title} process ended while {self.predict_file.name} loaded "
                f"the model{self._see_log()}."
            )
        with self._changed:
            self._starting.discard(worker)
            if failure is not None:
                self._drop(worker)
            else:
                self._ready.add(worker)
                self._idle.append(worker)
                self._changed.notify_all()
        return failure

    def _see_log(self) -> str:
        return f"; what it printed is in {self.log}" if self.log else ""


def _message(body: bytes | bytearray) -> str:
    return " ".join(body.decode(errors="replace").split())[:LONGEST_MESSAGE]
