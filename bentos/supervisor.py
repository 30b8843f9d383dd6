"""Keeps a Bento's API process alive behind one socket, which stays open while it is replaced.

A program with the standard library only: BentoML is imported once, in the API process, and not
here too, which halves the time and a third of the memory of `bentoml serve`.
Arguments: host, port, seconds to drain; with TLS, its certificate and key files.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

API = Path(__file__).resolve().parent / "api.py"
LOCAL = "127.0.0.1"
# The same name in bundle.py, which is not imported here.
ACCESS_VARIABLE = "MLOPS_ACCESS"
PROXY_VARIABLE = "MLOPS_BEHIND_PROXY"
PRIVATE_VARIABLE = "MLOPS_PRIVATE_NETWORK"
BACKLOG = 2048
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
GOOD_SECONDS = 60.0


class Supervisor:
    """Runs a command again whenever it ends, until it is told to stop."""

    def __init__(self, command: list[str], descriptor: int) -> None:
        self._command = command
        self._descriptor = descriptor
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def stop(self, number: int, _: FrameType | None) -> None:
        """Have the process answer what it has begun, and end."""
        self._stopping = True
        if self._process is not None:
            self._process.send_signal(number)

    def run(self) -> int:
        """Until the end; returns the exit code."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            self._process = subprocess.Popen(self._command, pass_fds=[self._descriptor])
            if self._stopping:  # told so while it was being started
                self._process.terminate()
            code = self._process.wait()
            if self._stopping:
                return max(code, 0)
            if time.monotonic() - began > GOOD_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            print(f"The process ended with {code}; it is started again.", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


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
    supervisor = Supervisor(
        [sys.executable, str(API), str(listener.fileno()), *rest], listener.fileno()
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
