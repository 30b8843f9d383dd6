"""`make setup`: the environment `.venv`, R and Julia; a second run finds nothing to do."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.setup import environment, julia, r

if TYPE_CHECKING:
    from collections.abc import Iterator


def set_up(root: Path) -> None:
    """Install what the repository at ``root`` needs and this machine lacks.

    Raises:
        MlopsError: something can't be installed; what is installed already stays and the next
            run goes on from there.
    """
    with _alone(root):
        tools = (r.find(), julia.find(root))
        if environment.up_to_date(root) and all(tools):
            return
        # What can be refused comes before what takes minutes.
        environment.create(root)
        r.install(root)
        julia.install(root)
        environment.install(root)
        environment.mark(root)
        say("Setup is complete.")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the repository's folder, so that two setups at once follow each other."""
    folder = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another setup of this folder is running; waiting for it …")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main() -> int:
    """Exit code 0 when everything is there, 1 with one sentence when something is not."""
    try:
        set_up(Path(__file__).resolve().parents[2])
    except MlopsError as error:
        say(error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
