"""`make setup`: the environment `.venv`, R, Julia and HAProxy; a second run finds nothing to do.

A workflow's job asks for less: `python -m ci.setup --lock plan`, or `--language r`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.setup import environment, haproxy, julia, r
from ci.setup.locks import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LANGUAGES = ("python", "r", "julia")


def set_up(root: Path) -> None:
    """Install what the repository at ``root`` needs and this machine lacks.

    Raises:
        MlopsError: something can't be installed; what is installed already stays and the next
            run goes on from there.
    """
    with _alone(root):
        tools = (r.find(), julia.find(root), haproxy.find())
        if environment.up_to_date(root) and all(tools):
            return
        # What can be refused comes before what takes minutes.
        wanted = environment.wanted(root)
        environment.create(root)
        r.install(root)
        julia.install(root)
        haproxy.install()
        environment.install(root)
        environment.mark(root, wanted)
        say("Setup is complete.")


def set_up_job(root: Path, lock: str | None, languages: Sequence[str]) -> None:
    """Install one lock into `.venv`, and the toolchains of ``languages``; what is there stays.

    Raises:
        MlopsError: something can't be installed.
    """
    with _alone(root):
        if lock is not None:
            environment.create(root)
            environment.install_lock(root, lock)
        if "r" in languages:
            r.install(root)
        if "julia" in languages:
            julia.install(root)


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


def main(arguments: Sequence[str] = ()) -> int:
    """Exit code 0 when everything is there, 1 with one sentence when something is not."""
    root = Path(__file__).resolve().parents[2]
    asked = _parser().parse_args(arguments)
    try:
        if asked.lock is None and asked.language is None:
            set_up(root)
        else:
            set_up_job(root, asked.lock, asked.language or [])
    except MlopsError as error:
        say(error.message)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ci.setup", description=main.__doc__)
    parser.add_argument("--lock", choices=NAMES, help="only this lock of ci/locks/")
    parser.add_argument(
        "--language", nargs="*", choices=LANGUAGES, help="only the toolchains of these languages"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
