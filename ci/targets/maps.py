"""HAProxy's maps: as files, which it reads at its start, and through its admin socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SOCKET = "admin.sock"
ANSWER_SECONDS = 5.0


def text(entries: dict[str, str]) -> str:
    """The content of a map's file; keys have no spaces, values no line ends."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def replace(folder: Path, name: str, entries: dict[str, str]) -> None:
    """Have the HAProxy of ``folder`` use ``entries`` as the map ``name``, all at once.

    Raises OSError where it does not run, or refuses.
    """
    version = _ask(folder, f"prepare map {name}").rpartition(" ")[2]
    if not version.isdecimal():
        raise OSError(f"HAProxy has no map {name}")
    for key, value in entries.items():
        _order(folder, f"add map @{version} {name} <<\n{key} {value}\n")
    _order(folder, f"commit map @{version} {name}")


def _order(folder: Path, command: str) -> None:
    problem = _ask(folder, command)
    if problem:
        raise OSError(f"HAProxy: {problem}")


def _ask(folder: Path, command: str) -> str:
    """What HAProxy answers to a command. Its socket's path may be longer than a socket's can be."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(ANSWER_SECONDS)
            asked.connect(f"/proc/self/fd/{place}/{SOCKET}")
            asked.sendall(f"{command}\n".encode())
            asked.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: asked.recv(65536), b"")).decode().strip()
    finally:
        os.close(place)
