"""Keeps a Bento's API process alive behind one socket, which stays open while it is replaced.

A program with the standard library only: BentoML is imported once, in the API process, and not
here too, which halves the time and a third of the memory of `bentoml serve`. It also looks after
what processes leave: their temporary folder, and the file that they print to.
Arguments: host, port, seconds to drain; with TLS, its certificate and key files.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # this Bento's own code, wherever it is started from
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bentos.logs import keep_small
from bentos.scratch import SERVICE, Scratch, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

API = Path(__file__).resolve().parent / "api.py"
LOCAL = "127.0.0.1"
# The same name in bundle.py, which is not imported here.
ACCESS_VARIABLE = "MLOPS_ACCESS"
PROXY_VARIABLE = "MLOPS_BEHIND_PROXY"
PRIVATE_VARIABLE = "MLOPS_PRIVATE_NETWORK"
STDOUT = 1
BACKLOG = 2048
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
GOOD_SECONDS = 60.0
# A process that was stopped and goes on before that was not broken.
STOPPED_SECONDS = 0.5
STOPPED = (os.CLD_STOPPED, os.CLD_TRAPPED)


class Supervisor:
    """Runs a command again whenever it ends or is stopped, until it is told to end.

    ``scratch`` is the TMPDIR of the command and of all that it starts.
    """

    def __init__(self, command: list[str], descriptor: int, scratch: Scratch | None = None) -> None:
        self._command = command
        self._scratch = scratch
        # The command holds the folder's lock too: it may have to end without us.
        self._descriptors = [descriptor, *([scratch.lock] if scratch else [])]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def stop(self, number: int, _: FrameType | None) -> None:
        """Have the process answer what it has begun, and end."""
        self._stopping = True
        if self._process is not None:
            self._process.send_signal(number)

    def run(self) -> int:
        """Until the end; returns the exit code."""
        keep_small(STDOUT)
        environment = dict(os.environ)
        if self._scratch:
            environment["TMPDIR"] = str(self._scratch.path)
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            self._process = process = subprocess.Popen(
                self._command, pass_fds=self._descriptors, env=environment
            )
            if self._stopping:  # told so while it was being started
                process.terminate()
            code = _ended(process)
            if self._scratch:
                self._scratch.empty()
            if self._stopping:
                return max(code, 0)
            if time.monotonic() - began > GOOD_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            print(f"The process ended with {code}; it is started again.", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code of ``process`` once it has ended; where it stays stopped, it is killed."""
    options = os.WEXITED | os.WSTOPPED | os.WNOWAIT
    with contextlib.suppress(ChildProcessError):  # whoever signalled it has taken its code
        while (found := os.waitid(os.P_PID, process.pid, options)) and found.si_code in STOPPED:
            time.sleep(STOPPED_SECONDS)
            again = os.waitid(os.P_PID, process.pid, options | os.WNOHANG)
            if again and again.si_code in STOPPED:
                print("The process was stopped; it is ended.", flush=True)
                process.kill()
                break
    return process.wait()


def listen(host: str, port: int) -> socket.socket:
    """The socket; callers who come while the API process is replaced wait in its queue."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def exposed(host: str, tls: list[str], environment: Mapping[str, str]) -> str | None:
    """Why a service may not listen on ``host``, or None where it may.

    Beyond this machine only callers with a key may come, and no key may travel in the clear. In a
    container it is the container's network that decides who reaches a host; whoever started it
    says that it is private.
    """
    if host == "localhost" or ipaddress.ip_address(host).is_loopback:
        return None
    if environment.get(PRIVATE_VARIABLE) == "true":
        return None
    if not _has_keys(environment.get(ACCESS_VARIABLE)):
        return (
            f"no API key was made: type `mlops keys make DEPARTMENT`, or listen on {LOCAL}, or set "
            f"{PRIVATE_VARIABLE}=true in a container whose port is published there only"
        )
    if not tls and environment.get(PROXY_VARIABLE) != "true":
        return (
            "there is no TLS: give a certificate and its key, or put a proxy with TLS in front and "
            f"set {PROXY_VARIABLE}=true"
        )
    return None


def _has_keys(path: str | None) -> bool:
    try:
        return bool(path and json.loads(Path(path).read_text(encoding="utf-8"))["keys"])
    except (OSError, ValueError, KeyError):
        return False


def main(arguments: list[str]) -> int:
    """Listen, and run."""
    host, port, *rest = arguments
    problem = exposed(host, rest[1:], os.environ)
    if problem:
        print(f"Can't listen on {host}: {problem}.", file=sys.stderr)
        return 1
    try:
        listener = listen(host, int(port))
    except OSError as error:
        print(f"Can't listen on {host}:{port}: {error.strerror}.", file=sys.stderr)
        return 1
    remove_abandoned()
    scratch = Scratch(SERVICE)
    command = [sys.executable, str(API), str(listener.fileno()), *rest]
    supervisor = Supervisor(command, listener.fileno(), scratch)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    try:
        return supervisor.run()
    finally:
        scratch.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
