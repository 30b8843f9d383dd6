"""A packaged model that can be asked: its workers, from start to stop."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.answers import RequestError
from bentos.bundle import read_bundle
from bentos.frames import Field, Frame, FrameError, from_rows
from bentos.runners import (
    DeadlineError,
    ModelError,
    NoWorkerError,
    RunnerError,
    RunnerPool,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.bundle import Bundle

DIRECTORY = Path(__file__).resolve().parents[1]
RETRY_AFTER = ((b"retry-after", b"1"),)
logger = logging.getLogger("bentoml.model")


class ServedModel:
    """The pool of one bundle. A model that can't be loaded leaves ``failure``, in a sentence."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.failure: str | None = "The model is being loaded."
        self.load_seconds = 0.0
        self._begun: Future[None] | None = None
        limits = bundle.limits
        self._pool = RunnerPool(
            bundle.language,
            bundle.predict_file,
            bundle.artifact,
            fields(bundle.outputs),
            workers=limits["workers"],
            timeout_seconds=limits["timeout_seconds"],
            log=_own_log(),
            memory_bytes=limits["max_memory_bytes"],
        )

    def begin(self) -> None:
        """Start the workers and have each predict the contract's example once, in a thread.

        A worker loads its model while BentoML is imported. Does nothing the second time.
        """
        if self._begun is not None:
            return
        example = from_rows([self.bundle.example_row()], fields(self.bundle.inputs))
        self._threads = ThreadPoolExecutor(1, "model-start")
        self._begun = self._threads.submit(self._start, example)

    async def started(self) -> None:
        """Wait for the end of what `begin` began.

        Does not raise where the model is at fault: the service then lives, is never ready, and
        says why, instead of being started again for ever.
        """
        self.begin()
        assert self._begun is not None  # noqa: S101 (begin sees to it)
        try:
            await asyncio.wrap_future(self._begun)
            self.failure = None
        except RunnerError as error:
            self.failure = error.message
            logger.error("The model can't serve: %s", error.message)

    def _start(self, example: Frame) -> None:
        began = time.monotonic()
        self._pool.start()
        try:
            self._pool.warm_up(example)
        except ModelError as error:
            # Its callers will hear of it; a model may refuse the example and take real rows.
            logger.warning("The model failed on the contract's example: %s", error.message)
        self.load_seconds = time.monotonic() - began

    async def stop(self) -> None:
        """End the workers."""
        await asyncio.to_thread(self._pool.close)
        self._threads.shutdown()

    def alive(self) -> int:
        """How many workers can answer."""
        return 0 if self.failure else self._pool.alive()

    @property
    def restarts(self) -> int:
        """How many workers were started again."""
        return self._pool.restarts

    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return self._pool.waiting()

    async def predict(self, frame: Frame, request_id: str) -> Frame:
        """The contract's outputs, one value a row, none of them missing.

        ``frame`` holds inputs that the contract allows; the log names ``request_id`` where they
        fail. Raises RequestError ``model_error``, ``no_worker`` or ``deadline``.
        """
        if self.failure:
            raise no_worker()
        try:
            return await self._pool.predict_async(frame)
        except RunnerError as error:
            logger.error("request %s: %s: %s", request_id, error.code, error.message)
            raise self._request_error(error) from None
        except FrameError as error:
            raise RequestError(
                "too_large", f"the rows are too much for one call: {error}"
            ) from None

    def _request_error(self, error: RunnerError) -> RequestError:
        """What the caller is told: never what the model's code said."""
        if isinstance(error, ModelError):
            text = "The model's own code failed on these rows; the service's log says how."
            return RequestError("model_error", text)
        if isinstance(error, DeadlineError):
            seconds = self.bundle.limits["timeout_seconds"]
            text = f"The model did not answer within {seconds:g} seconds; send fewer rows or later."
            return RequestError("deadline", text)
        if not isinstance(error, NoWorkerError):
            logger.error("unexpected: %s", type(error).__name__)
        return no_worker()


@functools.cache
def served_model() -> ServedModel:
    """The model in this Bento; not read before a server process needs it."""
    return ServedModel(read_bundle(DIRECTORY))


def _own_log() -> Path | None:
    """Where this process logs to, for what the model's code prints: a file, or a container's pipe.

    None where it is neither.
    """
    path = Path("/proc/self/fd/2")
    if path.is_fifo():
        return path
    file = Path(os.path.realpath(path))
    return file if file.is_file() else None


def no_worker() -> RequestError:
    """The error for a caller who should come back."""
    text = "No process of the model can answer now; try again in a second."
    return RequestError("no_worker", text, headers=RETRY_AFTER)


def overloaded(most: int) -> RequestError:
    """The error for a caller who comes while ``most`` others are answered."""
    text = f"The model answers {most} calls already; try again in a second."
    return RequestError("overloaded", text, headers=RETRY_AFTER)


def fields(columns: Mapping[str, Mapping[str, Any]]) -> list[Field]:
    """The contract's columns as a frame names them."""
    return [
        Field(name, rules["type"], bool(rules.get("nullable"))) for name, rules in columns.items()
    ]
