"""One worker process, spoken to over two pipes.

Each message is four ASCII letters (CALL to the worker; OPEN, DONE or FAIL from it), the number of
the call and the length of the body, both uint32, and the body: a frame, or a text after FAIL.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bentos.frames import MAX_FRAME_BYTES
from bentos.scratch import end_processes_of

HEAD = struct.Struct("<4sII")
REPLY_KINDS = (b"OPEN", b"DONE", b"FAIL")
LAUNCHER = Path(__file__).resolve().parent / "launch.py"
CHUNK_BYTES = 1 << 16
LARGE_CHUNK_BYTES = 1 << 20
PIPE_BYTES = 1 << 20


class WorkerDied(Exception):  # noqa: N818
    """The process ended before it answered."""


class WorkerLate(Exception):  # noqa: N818
    """The deadline passed before it answered."""


class BadReply(Exception):  # noqa: N818
    """It sent something that is no answer to the call."""


class Reply(NamedTuple):
    """What a worker sent: the kind of message and its body."""

    kind: bytes
    body: bytearray


class Worker:
    """A running worker. Not thread-safe: whoever checked it out owns it."""

    def __init__(
        self, command: list[str], folder: Path, scratch: Path, log: Path | None, memory_bytes: int
    ) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=scratch))
        self.killed = False
        self._calls = 0
        self._received = bytearray()
        theirs_in, self.requests = os.pipe()
        self.replies, theirs_out = os.pipe()
        for fd in (self.replies, self.requests):
            os.set_blocking(fd, False)
            _widen(fd)
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
        try:
            self._process = _start(
                [*launch, str(theirs_in), str(theirs_out), str(memory_bytes), *command],
                (theirs_in, theirs_out),
                folder,
                worker_environment(self.scratch),
                log,
            )
        except OSError:
            self._release()
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._readable = select.poll()
        self._readable.register(self.replies, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(self.requests, select.POLLOUT)

    @property
    def pid(self) -> int:
        """The process id, which is the id of its process group too."""
        return self._process.pid

    def running(self) -> bool:
        """Whether the process lives and was not stopped, by SIGSTOP or the like.

        A dead one is left unreaped, so that its id stays its own.
        """
        options = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is None

    def call(self, body: bytes, deadline: float) -> Reply:
        """Send a call and wait for its reply until `deadline` (time.monotonic seconds).

        Raises WorkerDied, WorkerLate or BadReply; the worker must then be killed.
        """
        left = self.begin(body)
        while left:
            _wait(self._writable, deadline)
            left = self.send(left)
        return self.receive(deadline)

    def receive(self, deadline: float) -> Reply:
        """The next message; raises as `call` does."""
        while True:
            _wait(self._readable, deadline)
            reply = self.take()
            if reply is not None:
                return reply

    def begin(self, body: bytes) -> memoryview:
        """Begin a call; returns what the pipe does not take yet. Raises WorkerDied."""
        self._calls += 1
        return self.send(memoryview(HEAD.pack(b"CALL", self._calls, len(body)) + body))

    def send(self, left: memoryview) -> memoryview:
        """Send what the pipe takes and return the rest. Raises WorkerDied."""
        try:
            return left[os.write(self.requests, left) :]
        except BlockingIOError:
            return left
        except BrokenPipeError as error:
            raise WorkerDied from error

    def take(self) -> Reply | None:
        """Read what is there: the reply once it is whole. Raises WorkerDied or BadReply."""
        try:
            data = os.read(self.replies, LARGE_CHUNK_BYTES if self._received else CHUNK_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise WorkerDied
        self._received += data
        if len(self._received) < HEAD.size:
            return None
        kind, number, length = HEAD.unpack_from(self._received)
        if kind not in REPLY_KINDS or number != self._calls or length > MAX_FRAME_BYTES:
            raise BadReply(f"{kind!r}, call {number}, {length} bytes")
        if len(self._received) < HEAD.size + length:
            return None
        body, self._received = self._received, bytearray()
        del body[: HEAD.size]
        if len(body) > length:
            raise BadReply("stray bytes after the reply")
        return Reply(kind, body)

    def kill(self) -> None:
        """Kill the whole process group, at once."""
        self.killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self) -> None:
        """After `kill`: wait for the end, end what the model started, and free everything."""
        self._process.wait()
        end_processes_of(self.scratch)
        self._release()

    def _release(self) -> None:
        os.close(self.replies)
        os.close(self.requests)
        shutil.rmtree(self.scratch, ignore_errors=True)


def worker_environment(scratch: Path) -> dict[str, str]:
    """The environment of a worker: the same locale and time zone wherever the model runs.

    One thread a worker by default, since requests are spread over workers.
    """
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch))
    return {**single, **os.environ, **fixed, **temporary}


def _start(
    command: list[str],
    pipes: tuple[int, int],
    folder: Path,
    environment: dict[str, str],
    log: Path | None,
) -> subprocess.Popen[bytes]:
    with open(log or os.devnull, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=pipes,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def _wait(ready: select.poll, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not ready.poll(left * 1000):
        raise WorkerLate


def _widen(pipe: int) -> None:
    """Fewer switches for large frames, where the system has the call and the quota allows it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
