"""Replies that look right and are not, and workers that died while nobody asked."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bentos.frames import encode, from_rows
from bentos.runners import NoWorkerError, RunnerPool

SOURCE = """
import os
from pathlib import Path

def load_model(directory):
    return Path(directory) / "forged"

def predict(forged, rows):
    if forged.exists():
        reply = forged.read_bytes()
        forged.unlink()
        os.write(4, reply)
    return rows["x"] * 2
"""
ASKED = from_rows([{"x": 3.0}], [("x", "number")])
FALSE = encode(from_rows([{"y": 666.0}], [("y", "number")]))


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
