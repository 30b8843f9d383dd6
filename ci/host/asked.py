"""A look that the running host is asked for: `mlops host NAME --once` beside it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from ci.busy import holder, in_turn
from ci.errors import MlopsError
from ci.files import read_json, write_json, write_whole
from ci.host.place import folder
from ci.host.records import HostRecord

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

LONGEST_SECONDS = 900.0
STEP_SECONDS = 0.2


def asked(repository: Repository) -> str | None:
    """The word of who asked last for a look."""
    path = _asked(repository)
    return path.read_text(encoding="utf-8") if path.exists() else None


def answer(
    repository: Repository, word: str | None, record: HostRecord, problems: list[MlopsError]
) -> None:
    """Tell who asked with ``word``, before the look, what it found."""
    if word is not None:
        told = [[each.code, each.message] for each in problems]
        shown = {"asked": word, "record": record.model_dump(mode="json"), "problems": told}
        write_json(_looked(repository), shown)


def ask(repository: Repository, name: str) -> tuple[HostRecord, list[MlopsError]] | None:
    """What the running host ``name`` finds when it looks at once; None where none runs.

    Raises:
        MlopsError: ``no_answer`` where it does not end a look in LONGEST_SECONDS.
    """
    lock = repository.state_dir / "locks" / f"host-{name}.lock"
    if holder(lock) is None:
        return None
    with in_turn(repository, "ask"):
        word = secrets.token_hex(8)
        write_whole(_asked(repository), word)
        until = time.monotonic() + LONGEST_SECONDS
        while holder(lock) is not None and time.monotonic() < until:
            found = read_json(_looked(repository))
            if found and found["asked"] == word:
                problems = [MlopsError(*each) for each in found["problems"]]
                return HostRecord.model_validate(found["record"]), problems
            time.sleep(STEP_SECONDS)
    if holder(lock) is None:
        return None
    raise MlopsError(
        "no_answer",
        f"The host {name} runs (process {holder(lock)}) and ended no look in "
        f"{LONGEST_SECONDS / 60:.0f} minutes: see its journal.",
    )


def _asked(repository: Repository) -> Path:
    return folder(repository) / "asked"


def _looked(repository: Repository) -> Path:
    return folder(repository) / "looked.json"
