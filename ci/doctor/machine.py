"""The machine: languages and packages, free disk, the state's database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import urllib.error
import urllib.request
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import ci
from ci.doctor.finding import Finding
from ci.files import read_yaml_quickly
from ci.registry.store import has_server
from ci.setup import r
from ci.setup.locks import pins
from ci.toolchain import LABELS, PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.repository import Repository

LOCKS = ("serving.txt", "platform.txt")
NOTHING = {"r": ["-e", "invisible()"], "julia": ["--startup-file=no", "-e", "nothing"]}
START_SECONDS = 60
MOST_NAMED = 3
LEAST_FREE_BYTES = 1 << 30
LARGEST_LOG_BYTES = 1 << 30
ANSWER_SECONDS = 5
STATE_IS_LOST = "docs/runbooks/state-is-lost.md"
SETUP = "make setup"


def toolchains(repository: Repository) -> Iterator[Finding]:
    """Python's locked packages, and the languages that the models of this repository need."""
    yield from _packages()
    contracts = (repository.models_dir / name / "model.yaml" for name in repository.model_names())
    needed = {read_yaml_quickly(path).get("language") for path in contracts}
    for language in (each for each in PROGRAMS if each in needed):
        problem = _broken(language)
        if problem:
            yield Finding(LABELS[language], problem, SETUP)
        elif language == "r" and (lacking := r.lacking(r.packages(repository.root))):
            yield Finding("R", f"R lacks the packages {', '.join(lacking)}", SETUP)


def _packages() -> Iterator[Finding]:
    texts = (Path(ci.__file__).parent / "locks" / lock for lock in LOCKS)
    locked = {k: v for text in texts for k, v in pins(text.read_text(encoding="utf-8")).items()}
    wrong = {name: found for name in locked if (found := _installed(name)) != locked[name]}
    if wrong:
        shown = [f"{each} ({wrong[each] or 'absent'})" for each in list(wrong)[:MOST_NAMED]]
        more = " and others" if len(wrong) > MOST_NAMED else ""
        problem = f"Python's packages are not those that are locked: {', '.join(shown)}{more}"
        yield Finding("Python", problem, SETUP)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _broken(language: str) -> str | None:
    """Why a language can't run, or None where it can."""
    program = PROGRAMS[language]
    if shutil.which(program) is None:
        return f"{LABELS[language]} is not installed ({program} is not on the PATH)"
    try:
        done = subprocess.run(
            [program, *NOTHING[language]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{program} does not start within {START_SECONDS} seconds"
    except OSError as error:
        return f"{program} can't be started ({error.strerror})"
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        return f"{program} ends with {done.returncode} ({said})"
    return None


def disk(repository: Repository) -> Iterator[Finding]:
    """Room for what is written next, and logs that have become large."""
    place = repository.state_dir if repository.state_dir.exists() else repository.root
    shown = repository.relative(place)
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        yield Finding("disk", f"Only {_size(free)} are free for {shown}", f"du -sh {shown}/*")
    for path in sorted((repository.state_dir / "logs").glob("*.log")):
        size = path.stat().st_size
        if size > LARGEST_LOG_BYTES:
            name = repository.relative(path)
            yield Finding("disk", f"{name} has {_size(size)}", f"truncate -s 0 {name}")


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def database(repository: Repository) -> Iterator[Finding]:
    """The registry of runs and versions: a file, or the server that is named."""
    if has_server():
        yield from _server(os.environ["MLFLOW_TRACKING_URI"])
        return
    path = repository.state_dir / "mlflow.db"
    problem = _damage(path) if path.exists() else None
    if problem:
        shown = repository.relative(path)
        yield Finding("database", f"{shown} can't be read ({problem})", f"less {STATE_IS_LOST}")


def _damage(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
            first = str(found.execute("PRAGMA quick_check(1)").fetchone()[0])
            found.execute("SELECT count(*) FROM registered_models")
    except sqlite3.Error as error:
        return str(error)
    return None if first == "ok" else " ".join(first.split())


def _server(address: str) -> Iterator[Finding]:
    if not address.startswith("http"):
        return
    url = f"{address.rstrip('/')}/health"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):  # noqa: S310
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        problem = f"The MLflow server of MLFLOW_TRACKING_URI does not answer ({reason})"
        yield Finding("database", problem, f"curl -i {url}")
