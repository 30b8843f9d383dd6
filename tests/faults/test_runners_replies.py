"""Replies that look right and are not; workers that died, or are busy, when they are asked."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bentos.frames import Field, encode, from_rows
from bentos.runners import DeadlineError, NoWorkerError, RunnerPool

SOURCE = """
import os, time
from pathlib import Path

def load_model(directory):
    return Path(directory)

def predict(folder, rows):
    forged = folder / "forged"
    (folder / "asked").touch()
    while (folder / "hold").exists():
        time.sleep(0.01)
    if forged.exists():
        reply = forged.read_bytes()
        forged.unlink()
        os.write(4, reply)
        time.sleep(60)  # so that the true reply can't give the false one away
    return rows["x"] * 2
"""
ASKED = from_rows([{"x": 3.0}], [Field("x", "number")])
FALSE = encode(from_rows([{"y": 666.0}], [Field("y", "number")]))


def message(number: int, body: bytes) -> bytes:
    """A whole reply as a worker sends it; the first call of a worker has number 1."""
    return struct.pack("<4sII", b"DONE", number, len(body)) + body


def pool_of(tmp_path: Path, workers: int) -> RunnerPool:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "predict.py").write_text(SOURCE)
    predict, artifact = tmp_path / "predict.py", tmp_path / "artifact"
    return RunnerPool("python", predict, artifact, [("y", "number")], workers=workers)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[RunnerPool]:
    with pool_of(tmp_path, 1) as pool:
        yield pool


FORGED = {
    "the answer to another call": message(7, FALSE),
    "an answer with more behind it": message(1, FALSE) + b"more",
    "two answers": message(1, FALSE) + message(1, FALSE),
    "an answer of impossible length": struct.pack("<4sII", b"DONE", 1, 2**32 - 1),
    "an answer of another kind": message(1, FALSE).replace(b"DONE", b"NONE"),
    "no frame": message(1, b"\xff" * 40),
}


@pytest.mark.parametrize("case", list(FORGED))
def test_a_forged_reply_is_no_answer_and_the_next_call_is_answered(
    pool: RunnerPool, tmp_path: Path, case: str
) -> None:
    (tmp_path / "artifact" / "forged").write_bytes(FORGED[case])
    with pytest.raises(NoWorkerError, match="unreadable reply"):
        pool.predict(ASKED)
    assert pool.predict(ASKED).to_lists() == {"y": [6.0]}
    assert pool.restarts == 1


def test_workers_that_died_while_idle_cost_no_call(tmp_path: Path) -> None:
    """More of them than a call is tried again."""
    with pool_of(tmp_path, 4) as pool:
        for pid in pool.pids():
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert pool.predict(ASKED).to_lists() == {"y": [6.0]}


def test_a_busy_worker_is_a_deadline_and_lives(pool: RunnerPool, tmp_path: Path) -> None:
    hold, asked = tmp_path / "artifact" / "hold", tmp_path / "artifact" / "asked"
    hold.touch()
    with ThreadPoolExecutor(1) as threads:
        pool.timeout_seconds = 60
        first = threads.submit(pool.predict, ASKED)
        while not asked.exists():
            time.sleep(0.01)
        pool.timeout_seconds = 0.2
        with pytest.raises(DeadlineError, match="busy"):
            pool.predict(ASKED)
        hold.unlink()
        assert first.result().to_lists() == {"y": [6.0]}
    assert pool.restarts == 0


def test_a_call_that_comes_too_late_costs_no_worker_its_life(pool: RunnerPool) -> None:
    pool.timeout_seconds = 0
    with pytest.raises(DeadlineError):
        pool.predict(ASKED)
    pool.timeout_seconds = 60
    assert pool.predict(ASKED).to_lists() == {"y": [6.0]}
    assert pool.restarts == 0
