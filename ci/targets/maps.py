"""HAProxy's maps, as files that it reads at its start, and what its admin socket is asked for."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

SOCKET = "admin.sock"
ANSWER_SECONDS = 5.0
# As HAProxy 2.6 tells where it sent a call: https://docs.haproxy.org/2.6/management.html#9.3
SENT_TO = re.compile(r"^ +server=service .* addr=[\d.]+:(\d+)$", re.MULTILINE)


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


def under_way(folder: Path, ports: Collection[int]) -> int:
    """How many calls the HAProxy of ``folder`` has sent to ``ports`` and not passed back yet.

    Raises OSError where it does not run.
    """
    return sum(int(port) in ports for port in SENT_TO.findall(_ask(folder, "show sess all")))


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
