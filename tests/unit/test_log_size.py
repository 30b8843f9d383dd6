"""What a service prints to is cut while processes go on printing to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from pathlib import Path

from bentos.logs import LOG_BYTES, older, trim
from ci.observe.recorded import Tail

LINE = "a line that is printed"
LOOKED_AFTER = f"""
import time
from bentos.logs import keep_small
keep_small(1)
for _ in range({2 * LOG_BYTES // len(LINE) // 1000}):
    print("\\n".join([{LINE!r}] * 1000), flush=True)
time.sleep(2)
print("the last line", flush=True)
"""


def appended(path: Path, text: str) -> int:
    """A descriptor of the file as a process has it, with ``text`` printed to it."""
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(descriptor, text.encode())
    return descriptor


def numbered(first: int, last: int) -> str:
    return "".join(f"line {number:04}\n" for number in range(first, last))


def test_a_small_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    trim(appended(log, numbered(0, 10)), most=100)
    assert log.read_text() == numbered(0, 10)
    assert not older(log).exists()


def test_of_a_large_one_the_last_whole_lines_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    descriptor = appended(log, numbered(0, 1000))
    trim(descriptor, most=105)
    assert log.read_text() == ""
    assert older(log).read_text() == numbered(990, 1000)
    os.write(descriptor, numbered(1000, 1001).encode())
    assert log.read_text() == numbered(1000, 1001), "no hole before it"
    trim(appended(log, numbered(1001, 1020)), most=105)
    assert older(log).read_text() == numbered(1010, 1020)


def test_of_two_supervisors_one_does_it(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    descriptor = appended(log, numbered(0, 1000))
    with log.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with contextlib.suppress(BlockingIOError):
            trim(descriptor, most=100)
        assert log.read_text() == numbered(0, 1000)
    trim(descriptor, most=100)
    assert log.read_text() == ""


def test_what_can_not_be_kept_makes_room_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    older(log).symlink_to("/dev/full")
    descriptor = appended(log, numbered(0, 1000))
    with contextlib.suppress(OSError):
        trim(descriptor, most=100)
    assert log.read_text() == ""


def test_a_process_that_prints_and_prints(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("ab") as file:
        done = subprocess.run([sys.executable, "-c", LOOKED_AFTER], stdout=file, check=False)
    assert done.returncode == 0
    assert log.read_text().splitlines()[-1] == "the last line"
    assert log.stat().st_size <= LOG_BYTES
    assert LINE in older(log).read_text()


def test_who_follows_goes_on_after_the_cut(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    descriptor = appended(log, numbered(0, 1000))
    tail = Tail(log)
    trim(descriptor, most=100)
    os.write(descriptor, b"and on\n")
    assert tail.fresh() == [b"and on"]
