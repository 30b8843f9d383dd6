"""An engine on another machine: OpenSSH brings its socket, and ports of its containers, here.

Docker's SDK has a way of its own, which needs paramiko, and the program `docker` over there, and
logs in for each request. The `ssh` of this machine needs nothing but the engine's socket.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ci.errors import MlopsError

SCHEME = "ssh://"
DOCKER_SOCKET = "/var/run/docker.sock"
SOCKET = "engine.sock"
HERE = "127.0.0.1"
THERE = "127.0.0.2"  # as private; what that machine serves itself is at 127.0.0.1
START_SECONDS = 20.0
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")
# Nobody is there to type a password; a connection of the user's own may end at any time.
OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "LogLevel": "ERROR",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
}
# The same words are said once, unless a connection lasted in between.
AGAIN = """\
said=
while :; do
  begun=$(date +%s)
  words=$("$@" 2>&1)
  [ "$words" = "$said" ] && [ $(($(date +%s) - begun)) -lt 60 ] || echo "$words" >&2
  said=$words
  sleep 1
done
"""


@dataclass(frozen=True)
class Brought:
    """The process that brings a socket here, and the address at which it lies."""

    process: subprocess.Popen[bytes]
    address: str


_brought: dict[str, Brought] = {}
_turn = threading.Lock()


def is_far(engine: str) -> bool:
    """Whether ``engine`` is on another machine."""
    return engine.startswith(SCHEME)


def reached(engine: str) -> str:
    """The address at which this process reaches ``engine``, until this process ends.

    Raises:
        MlopsError: ``no_engine`` in the words of `ssh`.
    """
    if not is_far(engine):
        return engine
    with _turn:
        found = _brought.get(engine)
        if found is None or found.process.poll() is not None:
            found = _brought[engine] = _bring(engine)
        return found.address


def keep_port(engine: str, port: int) -> list[str]:
    """A command that has ``port`` of the engine's machine at the same port here, until it is ended.

    Each machine has it for itself alone.
    """
    return ["/bin/sh", "-c", AGAIN, "sh", *_ssh(engine, f"{HERE}:{port}:{THERE}:{port}")]


def machine_of(engine: str) -> str:
    """USER@MACHINE, as `ssh` takes it, without a port."""
    split = urlsplit(engine)
    user = f"{split.username}@" if split.username else ""
    return f"{user}{split.hostname}"


def _bring(engine: str) -> Brought:
    if shutil.which("ssh") is None:
        raise MlopsError("no_engine", f"{engine} needs ssh: apt-get install openssh-client")
    folder = Path(tempfile.mkdtemp(prefix="mlops-ssh-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    socket, said = folder / SOCKET, folder / "said"
    there = urlsplit(engine).path.rstrip("/") or DOCKER_SOCKET
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [*DIES_WITH_US, *_ssh(engine, f"./{SOCKET}:{there}")],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise _unreached(engine, said.read_text(errors="replace"))
        time.sleep(0.02)
    # The folder's path may be longer than that of a socket can be.
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return Brought(process, f"unix:///proc/self/fd/{place}/{SOCKET}")


def _ssh(engine: str, forward: str) -> list[str]:
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-N", "-T", *options, "-L", forward, f"{SCHEME}{urlsplit(engine).netloc}"]


def _unreached(engine: str, said: str) -> MlopsError:
    words = " ".join(said.split()).rstrip(".") or f"no answer within {START_SECONDS:g} s"
    port = urlsplit(engine).port
    typed = f"ssh {f'-p {port} ' if port else ''}{machine_of(engine)} true"
    return MlopsError(
        "no_engine",
        f"ssh can't reach {engine}: {words}; `{typed}` must work without a password for the user "
        "who runs mlops.",
    )
