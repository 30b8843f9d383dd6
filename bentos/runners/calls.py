"""Calls from an event loop to the workers; waiting callers' rows go together in one call.

All of it runs in the loop's thread. A batch that fails is asked again caller by caller, so that
nobody gets an error for another one's rows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentos.frames import Frame, FrameError, concatenate, decode, encode
from bentos.runners.crew import one_line
from bentos.runners.errors import DeadlineError, ModelError, NoWorkerError, RunnerError
from bentos.runners.process import BadReply, Reply, Worker, WorkerDied
from bentos.runners.results import validated_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentos.frames import Field
    from bentos.runners.crew import Crew
    from bentos.runners.languages import Language

MOST_ROWS = 256
BATCH_SECONDS = 0.01
MOST_TRIES = 2
# Of the time left: a batch that takes longer is given up, and each caller's rows asked alone.
BATCH_SHARE = 0.25


@dataclass(eq=False)
class Call:
    """One caller's rows; `alone` once they have been in a batch that failed."""

    frame: Frame
    deadline: float
    future: asyncio.Future[Frame]
    alone: bool = False
    deaths: int = 0


@dataclass(eq=False)
class Batch:
    """What one worker is answering."""

    calls: list[Call]
    worker: Worker
    rows: int
    began: float
    timer: asyncio.TimerHandle | None = None


class Calls:
    """The calls of one event loop; `deadline` is in the loop's own time."""

    def __init__(self, crew: Crew, language: Language, outputs: Sequence[Field]) -> None:
        self.loop = asyncio.get_running_loop()
        self._crew = crew
        self._language = language
        self._outputs = outputs
        self._waiting: deque[Call] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._rows_at_once = 1
        crew.watch(self._crew_changed)

    def __len__(self) -> int:
        """How many calls wait for a worker."""
        return len(self._waiting)

    def predict(self, frame: Frame, seconds: float) -> asyncio.Future[Frame]:
        """The model's answer to `frame`; its errors are those of `RunnerPool.predict`."""
        call = Call(frame, self.loop.time() + seconds, self.loop.create_future())
        self._waiting.append(call)
        self._assign()
        return call.future

    def _crew_changed(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self.loop.call_soon_threadsafe(self._assign)

    def _assign(self) -> None:
        """Give waiting calls to idle workers; have the rest heard of when its time is over."""
        try:
            while self._waiting and (worker := self._crew.try_check_out()):
                self._begin(worker, self._next_calls())
        except NoWorkerError as error:
            while self._waiting:
                _fail(self._waiting.popleft(), error)
        if self._waiting and self._alarm is None:
            self._alarm = self.loop.call_at(self._waiting[0].deadline, self._expire)

    def _expire(self) -> None:
        self._alarm = None
        while self._waiting and self._waiting[0].deadline <= self.loop.time():
            _fail(self._waiting.popleft(), self._crew.nobody_free())
        self._assign()

    def _next_calls(self) -> list[Call]:
        calls = [self._waiting.popleft()]
        rows = calls[0].frame.rows
        while self._waiting and not (calls[0].alone or self._waiting[0].alone):
            rows += self._waiting[0].frame.rows
            if rows > self._rows_at_once:
                break
            calls.append(self._waiting.popleft())
        return calls

    def _begin(self, worker: Worker, calls: list[Call]) -> None:
        try:
            frame = concatenate([call.frame for call in calls])
            request = encode(frame)
        except FrameError as error:
            self._crew.check_in(worker)
            self._again_or_fail(calls, error)
            return
        batch = Batch(calls, worker, frame.rows, self.loop.time())
        left = min(call.deadline for call in calls) - batch.began
        share = 1.0 if len(calls) == 1 else BATCH_SHARE
        batch.timer = self.loop.call_at(batch.began + left * share, self._late, batch)
        self.loop.add_reader(worker.replies, self._read, batch)
        try:
            self._send(batch, worker.begin(request))
        except WorkerDied:
            self._died(batch)

    def _send(self, batch: Batch, left: memoryview) -> None:
        if left:
            self.loop.add_writer(batch.worker.requests, self._send_rest, batch, left)

    def _send_rest(self, batch: Batch, left: memoryview) -> None:
        self.loop.remove_writer(batch.worker.requests)
        try:
            self._send(batch, batch.worker.send(left))
        except WorkerDied:
            self._died(batch)

    def _read(self, batch: Batch) -> None:
        try:
            reply = batch.worker.take()
            if reply is not None:
                self._answer(batch, reply)
        except WorkerDied:
            self._died(batch)
        except (BadReply, FrameError) as error:
            batch.worker.kill()
            self._end(batch)
            unreadable = NoWorkerError(f"The worker sent an unreadable reply: {error}.")
            self._again_or_fail(batch.calls, unreadable)

    def _answer(self, batch: Batch, reply: Reply) -> None:
        function = self._language.predict_function
        try:
            if reply.kind != b"DONE":
                raise ModelError(f"{function} failed: {one_line(reply.body)}")
            result = validated_result(decode(reply.body), self._outputs, batch.rows, function)
        except ModelError as error:
            self._end(batch)
            self._again_or_fail(batch.calls, error)
            return
        seconds = max(self.loop.time() - batch.began, 1e-6)
        self._rows_at_once = min(max(int(batch.rows * BATCH_SECONDS / seconds), 1), MOST_ROWS)
        self._end(batch)
        _deliver(batch.calls, result)

    def _died(self, batch: Batch) -> None:
        batch.worker.kill()
        self._end(batch)
        for call in reversed(batch.calls):
            call.deaths += 1
            call.alone = True
            if call.deaths < MOST_TRIES:
                self._waiting.appendleft(call)
            else:
                _fail(call, died_twice(self._language.title, self._crew.see_log()))
        self._assign()

    def _late(self, batch: Batch) -> None:
        """Only the caller whose time is over hears so; the others are asked for again."""
        error = late_error(batch.worker)
        batch.worker.kill()
        self._end(batch)
        now = self.loop.time()
        for call in reversed(batch.calls):
            if call.deadline <= now:
                _fail(call, error)
            else:
                call.alone = True
                self._waiting.appendleft(call)
        self._assign()

    def _end(self, batch: Batch) -> None:
        if batch.timer is not None:
            batch.timer.cancel()
        self.loop.remove_reader(batch.worker.replies)
        self.loop.remove_writer(batch.worker.requests)
        self._crew.check_in(batch.worker)
        self.loop.call_soon(self._assign)

    def _again_or_fail(self, calls: list[Call], error: RunnerError | FrameError) -> None:
        if len(calls) == 1:
            _fail(calls[0], error)
            return
        for call in reversed(calls):
            call.alone = True
            self._waiting.appendleft(call)


def died_twice(language: str, see_log: str) -> NoWorkerError:
    """The error of a call whose worker died, and the next one too."""
    return NoWorkerError(
        f"The {language} process died while it answered, and so did its replacement{see_log}."
    )


def late_error(worker: Worker) -> RunnerError:
    """The error of a call whose time is over: its model took too long, or its worker is no more."""
    if worker.running():
        return DeadlineError("The model did not answer within its time limit.")
    return NoWorkerError("The worker was stopped or died at the end of the call's time limit.")


def _fail(call: Call, error: Exception) -> None:
    if not call.future.done():
        call.future.set_exception(error)


def _deliver(calls: list[Call], result: Frame) -> None:
    start = 0
    for call in calls:
        stop = start + call.frame.rows
        if not call.future.done():  # a caller may have gone
            call.future.set_result(result.slice(start, stop))
        start = stop
