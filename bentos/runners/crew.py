"""Keeps a number of workers alive, and lends them out one call at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from bentos.runners.errors import DeadlineError, ModelLoadError, NoWorkerError, RunnerError
from bentos.runners.process import BadReply, Reply, Worker, WorkerDied, WorkerLate
from bentos.scratch import WORKERS, Scratch, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bentos.runners.languages import Language

CHECK_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
LONGEST_MESSAGE = 1000


class Crew:
    """Workers of one model. A worker is starting, or ready and then idle or lent, or dead."""

    def __init__(
        self,
        language: Language,
        predict_file: Path,
        artifact: Path,
        workers: int,
        start_timeout_seconds: float,
        log: Path | None,
        memory_bytes: int,
    ) -> None:
        self._language = language
        self._predict_file = predict_file
        self._artifact = artifact
        self._workers = workers
        self._start_timeout_seconds = start_timeout_seconds
        self._log = log
        self._memory_bytes = memory_bytes
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        # Of callers only: a worker that is free again is no news to the keeper, whose waking
        # costs a request more than its validation.
        self._freed = threading.Condition(lock)
        self._starting: set[Worker] = set()
        self._ready: set[Worker] = set()
        self._idle: list[Worker] = []
        self._dead: list[Worker] = []
        self._failure: RunnerError | None = None
        self._open = False
        self._starts = 0
        self._keeper: threading.Thread | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def restarts(self) -> int:
        """How many workers were started in place of others."""
        return max(self._starts - self._workers, 0)

    def start(self) -> None:
        """Start the workers and wait until each has loaded the model.

        Raises MissingToolchainError or ModelLoadError; nothing is left running then.
        """
        command = self._language.command(self._predict_file, self._artifact)
        remove_abandoned()
        scratch = Scratch(WORKERS)
        self._open, self._failure, self._starts = True, None, 0
        # Workers die with the thread that started them, so one thread lives as long as they do.
        self._keeper = threading.Thread(
            target=self._keep, args=(command, scratch), name="runner-keeper", daemon=True
        )
        self._keeper.start()
        with self._changed:
            self._changed.wait_for(lambda: self._failure or len(self._ready) == self._workers)
            failure = self._failure
        if failure is not None:
            self.close()
            raise failure

    def close(self) -> None:
        """Kill the workers and remove what they left."""
        with self._changed:
            self._open = False
            for worker in self._ready | self._starting:
                worker.kill()
            self._tell()
        if self._keeper is not None:
            self._keeper.join()

    def alive(self) -> int:
        """How many workers live and have loaded the model."""
        with self._changed:
            return sum(worker.running() for worker in self._ready)

    def pids(self) -> list[int]:
        """The process ids of the workers that have loaded the model."""
        with self._changed:
            return sorted(worker.pid for worker in self._ready)

    def see_log(self) -> str:
        """The end of a sentence that says where the workers' output is."""
        return f"; what it printed is in {self._log}" if self._log else ""

    def check_out(self, deadline: float) -> Worker:
        """An idle worker, to be given back; raises NoWorkerError or DeadlineError."""
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
                if left <= 0 or not self._freed.wait(left):
                    raise self._nobody_free()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have ``changed`` called, in any thread, when a worker is ready or none can be."""
        with self._changed:
            self._watchers.append(changed)

    def _tell(self) -> None:
        self._changed.notify_all()
        self._freed.notify_all()
        for changed in self._watchers:
            changed()

    def try_check_out(self) -> Worker | None:
        """An idle worker, to be given back, or None while all are busy or starting.

        Raises NoWorkerError where none will come.
        """
        with self._changed:
            if not self._open:
                raise NoWorkerError("The model's workers have been stopped.")
            while self._idle:
                worker = self._idle.pop()
                if worker.running():
                    return worker
                self._drop(worker)
            if self._failure and not self._ready and not self._starting:
                raise NoWorkerError(f"No worker lives: {self._failure.message}")
            return None

    def nobody_free(self) -> RunnerError:
        """Why a call that waited in vain was not answered."""
        with self._changed:
            return self._nobody_free()

    def _nobody_free(self) -> RunnerError:
        if self._ready:
            return DeadlineError("All workers were busy for the whole time limit.")
        return NoWorkerError("No worker became ready within the time limit.")

    def check_in(self, worker: Worker) -> None:
        """Take a worker back; one that was killed or died is replaced."""
        with self._changed:
            if worker.killed or not worker.running():
                self._drop(worker)
            else:
                self._idle.append(worker)
                self._freed.notify_all()
            if not self._open:
                self._changed.notify_all()

    def _drop(self, worker: Worker) -> None:
        worker.kill()
        self._ready.discard(worker)
        self._dead.append(worker)
        self._changed.notify_all()
        self._freed.notify_all()

    def _keep(self, command: list[str], scratch: Scratch) -> None:
        """Hold the number of workers until the crew closes; runs in a thread of its own."""
        pause = FIRST_PAUSE_SECONDS
        while self._open:
            failure = self._fill(command, scratch)
            self._bury_dead()
            with self._changed:
                self._failure = failure
                self._tell()
                self._end_halted()
                if failure is None:
                    pause = FIRST_PAUSE_SECONDS
                    self._changed.wait_for(lambda: self._dead or not self._open, CHECK_SECONDS)
                    self._drop_dead_idle()
                else:
                    self._rest(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._finish()
        scratch.remove()

    def _finish(self) -> None:
        """Bury all, once each call under way has noticed that its worker is dead."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == len(self._ready))
            while self._idle:
                self._drop(self._idle.pop())
        self._bury_dead()

    def _end_halted(self) -> None:
        """Kill each worker that was stopped: a caller of it gets another, as of a dead one.

        Who waits for its reply then reads the end of its pipe. A slow model is not stopped.
        """
        with self._changed:
            for worker in self._ready | self._starting:
                if not worker.running():
                    worker.kill()

    def _rest(self, seconds: float) -> None:
        """Wait before the next start, after one that failed."""
        end = time.monotonic() + seconds
        while self._open and (left := end - time.monotonic()) > 0:
            self._changed.wait(min(left, CHECK_SECONDS))
            self._end_halted()

    def _drop_dead_idle(self) -> None:
        for worker in [each for each in self._idle if not each.running()]:
            self._idle.remove(worker)
            self._drop(worker)

    def _bury_dead(self) -> None:
        with self._changed:
            dead, self._dead = self._dead, []
        for worker in dead:
            worker.bury()

    def _fill(self, command: list[str], scratch: Scratch) -> RunnerError | None:
        """Start the workers that are missing, side by side; the first failure, if any."""
        failures: list[RunnerError | None] = []
        fresh = []
        try:
            for _ in range(self._workers - len(self._ready)):
                fresh.append(self._start_worker(command, scratch))
        except OSError as error:
            failures.append(
                ModelLoadError(f"The {self._language.title} process could not start: {error}.")
            )
        deadline = time.monotonic() + self._start_timeout_seconds
        failures += [self._await_open(worker, deadline) for worker in fresh]
        return next((each for each in failures if each is not None), None)

    def _start_worker(self, command: list[str], scratch: Scratch) -> Worker:
        folder = self._predict_file.parent
        worker = Worker(command, folder, scratch.path, self._log, self._memory_bytes)
        with self._changed:
            self._starts += 1
            self._starting.add(worker)
            if not self._open:
                worker.kill()
        return worker

    def _await_open(self, worker: Worker, deadline: float) -> RunnerError | None:
        failure = self._load_failure(worker, deadline)
        with self._changed:
            self._starting.discard(worker)
            if failure is not None:
                self._drop(worker)
            else:
                self._ready.add(worker)
                self._idle.append(worker)
                self._tell()
        return failure

    def _load_failure(self, worker: Worker, deadline: float) -> RunnerError | None:
        name = self._predict_file.name
        try:
            reply = self._first_message(worker, deadline)
        except WorkerLate:
            return ModelLoadError(
                f"{name} did not load the model within {self._start_timeout_seconds:g} seconds"
                f"{self.see_log()}."
            )
        except (WorkerDied, BadReply):
            return ModelLoadError(
                f"The {self._language.title} process ended while {name} loaded the model"
                f"{self.see_log()}."
            )
        if reply.kind == b"OPEN":
            return None
        return ModelLoadError(f"{name} could not load the model: {one_line(reply.body)}")

    def _first_message(self, worker: Worker, deadline: float) -> Reply:
        """What a worker says of its start; the others are looked after meanwhile."""
        while True:
            try:
                return worker.receive(min(deadline, time.monotonic() + CHECK_SECONDS))
            except WorkerLate:
                if time.monotonic() >= deadline:
                    raise
                self._end_halted()


def one_line(body: bytes | bytearray) -> str:
    """A worker's error text, cut to a length that a person reads."""
    return " ".join(body.decode(errors="replace").split())[:LONGEST_MESSAGE]
