"""One switch at a time on a machine: two of them could take the same port."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

# A name in Linux's abstract namespace: like a port, it belongs to the machine and not to a user
# or a repository, and it is free again when its holder dies.
NAME = "\0kronkers-mlops-switch"


@contextmanager
def one_switch_at_a_time(seconds: float) -> Iterator[None]:
    """Hold this machine's turn to switch, waiting at most ``seconds`` for it.

    Raises:
        MlopsError: ``busy``.
    """
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as turn:
        while not _taken(turn):
            if time.monotonic() > deadline:
                raise MlopsError(
                    "busy",
                    "Another deployment on this machine has not ended yet; wait, then try again.",
                )
            time.sleep(0.1)
        yield


def _taken(turn: socket.socket) -> bool:
    try:
        turn.bind(NAME)
    except OSError:
        return False
    return True
