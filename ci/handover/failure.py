"""An error of a step as its place in the repository, its message, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ci.handover.manifest import Failure
from ci.pipeline.failure import read_failure
from ci.yaml_file import ProblemsError

if TYPE_CHECKING:
    from ci.errors import MlopsError
    from ci.handover.manifest import Step
    from ci.repository import Repository

TAIL_BYTES = 65_536
MESSAGE_LIMIT = 2_000
# How the workers of all languages end what they say of an error in a predict file.
RUNNER_PLACE = re.compile(r"\((?P<file>[^\s()]+), line (?P<line>\d+)\)")
ADVICE = (
    (
        r"No module named|there is no package called|Package .+ not found",
        "The job installs only locked packages: use one of those, or ask the team platform for it.",
    ),
    (
        r"[Nn]o such file|cannot open file|does not exist|opening file",
        "A file that the code reads is not there in a fresh checkout: write it in an earlier stage "
        "of dvc.yaml or bring it in as a dataset, and mind upper and lower case in its name.",
    ),
    (
        r"MemoryError|OutOfMemory|cannot allocate|Killed",
        "The job has 16 GB of memory: read fewer columns, or in parts.",
    ),
)


def failure_of(repository: Repository, name: str, step: Step, error: MlopsError) -> Failure:
    """What went wrong in ``step`` of model ``name``, with the line where it is known."""
    file, line, message = _place(repository, name, error)
    return Failure(
        step=step,
        file=file,
        line=line,
        message=message[:MESSAGE_LIMIT],
        advice=_advice(name, step, message),
    )


def _place(
    repository: Repository, name: str, error: MlopsError
) -> tuple[str | None, int | None, str]:
    if isinstance(error, ProblemsError):
        first = error.problems[0]
        text = f"{first.key}: {first.problem}" if first.key else first.problem
        more = f" ({len(error.problems) - 1} more problems.)" if error.problems[1:] else ""
        return first.file, first.line, f"{text}{more}"
    if error.code == "pipeline_failed":
        return _place_in_log(repository, name, error)
    told = RUNNER_PLACE.search(error.message)
    file = _in_repository(repository, name, told["file"]) if told else None
    return file, int(told["line"]) if told and file else None, error.message


def _place_in_log(
    repository: Repository, name: str, error: MlopsError
) -> tuple[str | None, int | None, str]:
    log = repository.state_dir / "logs" / f"train-{name}.log"
    if not log.is_file():
        return None, None, error.message
    found = read_failure(log.read_bytes()[-TAIL_BYTES:].decode(errors="replace"))
    file = _in_repository(repository, name, found.file) if found.file else None
    if file is None:
        return None, None, found.sentence()
    return file, found.line, found.message


def _in_repository(repository: Repository, name: str, file: str) -> str | None:
    """The path from the root of what a language calls ``file``, if it is in the repository."""
    root = repository.root.resolve()
    folders = [repository.models_dir / name, *sorted(repository.data_dir.glob("*")), root]
    for path in [Path(file)] if Path(file).is_absolute() else [each / file for each in folders]:
        found = path.resolve()
        if found.is_file() and found.is_relative_to(root):
            return found.relative_to(root).as_posix()
    return None


def _advice(name: str, step: Step, message: str) -> str:
    for pattern, advice in ADVICE:
        if step in ("train", "predict") and re.search(pattern, message):
            return advice
    command = {"check": "check", "train": "train", "package": "package"}.get(step, "evaluate")
    return (
        f"Mend it, try it on your machine (mlops {command} {name}) and push again; in a browser, "
        "edit the file in this pull request."
    )
