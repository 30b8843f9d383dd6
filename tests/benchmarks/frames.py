"""How long a frame takes to a model and back, against the same bytes through a bare pipe."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from bentos.frames import Column, Field, Frame, encode
from bentos.runners import LANGUAGES, RunnerPool
from ci.console import say
from tests.benchmarks.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = 8
REPEATS = {1: 300, 1_000: 200, 100_000: 15}
CHUNK_BYTES = 1 << 16
ECHO = {
    "python": "def load_model(directory):\n    return None\n\n\n"
    "def predict(model, rows):\n    return rows\n",
    "r": "load_model <- function(directory) NULL\npredict_rows <- function(model, rows) rows\n",
    "julia": "load_model(directory) = nothing\npredict_rows(model, rows) = rows\n",
}


def run() -> list[Result]:
    """Per language and number of rows: the round trip of a frame, against the pipe's."""
    return [result for language in ECHO for result in _measure(language)]


def _measure(language: str) -> list[Result]:
    say(f"frames: {LANGUAGES[language].title}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LANGUAGES[language].predict_file
        path.write_text(ECHO[language])
        outputs = [Field(name, "number") for name in _frame(0).names]
        with (
            RunnerPool(language, path, folder, outputs, timeout_seconds=60) as pool,
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo,
        ):
            times = {rows: _compare(pool, echo, rows) for rows in REPEATS}
            echo.communicate()
    return [
        Result("frames", f"{LANGUAGES[language].title}, {_count(rows)} there and back", *pair, "ms")
        for rows, pair in times.items()
    ]


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _compare(pool: RunnerPool, echo: subprocess.Popen[bytes], rows: int) -> tuple[float, float]:
    """Medians for frame and pipe, measured in turns, so that both meet the same machine."""
    frame = _frame(rows)
    data = encode(frame)
    pool.predict(frame)
    times = [
        (_milliseconds(lambda: pool.predict(frame)), _milliseconds(lambda: _through(echo, data)))
        for _ in range(REPEATS[rows])
    ]
    frame_time, pipe_time = (median(column) for column in zip(*times, strict=True))
    return frame_time, pipe_time


def _frame(rows: int) -> Frame:
    values = np.random.default_rng(rows).standard_normal((COLUMNS, rows))
    return Frame({f"x{i}": Column("float64", column) for i, column in enumerate(values)})


def _milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _through(echo: subprocess.Popen[bytes], data: bytes) -> None:
    """A chunk is read back before the next is written, so that neither side can block."""
    assert echo.stdin is not None
    assert echo.stdout is not None
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = data[start : start + CHUNK_BYTES]
        os.write(echo.stdin.fileno(), chunk)
        left = len(chunk)
        while left:
            left -= len(os.read(echo.stdout.fileno(), left))
