"""`mlops host`: one look after the other, or one with `--once`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ci.busy import only_one
from ci.errors import MlopsError
from ci.host.asked import ask, asked
from ci.host.loop import Loop, record_of
from ci.host.pins import pending
from ci.host.place import become, forget, me
from ci.host.report import replace_name

if TYPE_CHECKING:
    from ci.host.loop import Looked
    from ci.host.records import HostRecord
    from ci.repository import Repository


def host(
    repository: Repository, name: str, *, once: bool, every: float, replace: bool
) -> tuple[HostRecord, list[MlopsError]]:
    """Be the host ``name``: for ever, or for one look, whose record and problems are returned.

    Where this checkout's host runs already, that one looks at once.

    Raises:
        MlopsError: ``bad_every``, ``another_host``, ``in_use``, ``busy`` or ``no_answer`` where
            this checkout's host runs already, ``unknown_host`` where main is known not to have it.
    """
    if not 1 <= every <= 3600:
        raise MlopsError("bad_every", f"--every takes 1 to 3600 seconds, not {every:g}.")
    before = me(repository)
    own = become(repository, name)
    _own_temporary_folder(repository)
    told = ask(repository, name) if once and not replace else None
    if told:
        return told
    with only_one(repository, "host", name):
        if replace:
            replace_name(repository, own)
        loop = Loop(repository, own, patient=not once)
        looked = loop.look_and_answer()
        try:
            _require_known(looked)
        except MlopsError as error:
            if before is None and error.code == "unknown_host":  # a name that was mistyped
                forget(repository)
            raise
        while not once:
            loop.say_news(looked)
            _sleep(repository, every, loop.word)
            looked = loop.look_and_answer()
    return record_of(own, looked), looked.problems


def _require_known(looked: Looked) -> None:
    """A mistake that is there at the first look is for the person who typed it."""
    for error in looked.problems:
        if error.code in ("unknown_host", "name_taken"):
            raise error


def _own_temporary_folder(repository: Repository) -> None:
    """A unit may give us no other place to write to."""
    given = os.environ.get("TMPDIR")
    if given and given.startswith(str(repository.state_dir)):
        os.makedirs(given, exist_ok=True)


def _sleep(repository: Repository, seconds: float, word: str | None) -> None:
    """Wait, but not longer once a rollback is to be told of, or somebody asks for a look.

    Who asked last before the last look did so with ``word``.
    """
    before, until = (pending(repository), word), time.monotonic() + seconds
    while time.monotonic() < until and (pending(repository), asked(repository)) == before:
        time.sleep(min(1.0, seconds))
