"""The Python environment `.venv`: the locked packages and this repository, editable."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import deque
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.setup import apt, r
from ci.setup.locks import FOLDER, pins, requirement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The development lock comes first: its setuptools builds the source distributions of the others.
FIRST, REST = "dev", ("plan", "serving", "platform", "batch", "monitoring", "tune", "ray")
BUILDER = "setuptools"


def up_to_date(root: Path) -> bool:
    """Whether setup was completed with the present locks, in the present folder."""
    stamp = _stamp(root)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted(root)


def wanted(root: Path) -> str:
    """A digest of the locks, of set-up itself and of the folder."""
    digest = hashlib.sha256(str(root).encode())
    files = [*(root / FOLDER).glob("*.txt"), *(root / "ci" / "setup").glob("*.py")]
    for path in (root / "pyproject.toml", *sorted(files), *r.locks(root)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def mark(root: Path, installed: str) -> None:
    """Note that `.venv` holds what ``wanted`` said before it was installed.

    Locks that were pulled in the meantime are work for the next set-up.
    """
    _stamp(root).write_text(installed, encoding="utf-8")


def create(root: Path) -> None:
    """Make `.venv` where there is none that works here.

    Raises:
        MlopsError: no `venv` module, or it failed.
    """
    _stamp(root).unlink(missing_ok=True)
    if not _belongs_here(root / ".venv"):
        _create(root / ".venv")


def install(root: Path) -> None:
    """Complete `.venv`; packages that are there in the locked version stay.

    Raises:
        MlopsError: pip failed.
    """
    locks = {name: root / FOLDER / f"{name}.txt" for name in (FIRST, *REST)}
    count = len({pin for lock in locks.values() for pin in pins(lock.read_text()).items()})
    say(f"Python packages: {count} versions locked in {FOLDER}; the first time takes minutes.")
    _pip(root, FIRST, ["--require-hashes", "--requirement", str(locks[FIRST])])
    rest = [part for name in REST for part in ("--requirement", str(locks[name]))]
    _pip(root, ", ".join(REST), ["--require-hashes", "--no-build-isolation", *rest])
    _pip(root, "this repository", ["--no-build-isolation", "--no-deps", "--editable", "."])


def install_lock(root: Path, name: str) -> None:
    """Complete `.venv` with one lock, for a job that needs no more; the repository stays outside.

    Raises:
        MlopsError: pip failed.
    """
    lock = root / FOLDER / f"{name}.txt"
    first = requirement((root / FOLDER / f"{FIRST}.txt").read_text(encoding="utf-8"), BUILDER)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as builder:
        builder.write(first)
        builder.flush()
        _pip(root, BUILDER, ["--require-hashes", "--requirement", builder.name])
    arguments = ["--require-hashes", "--no-build-isolation", "--requirement", str(lock)]
    _pip(root, name, arguments)


def _stamp(root: Path) -> Path:
    return root / ".venv" / "complete"


def _belongs_here(venv: Path) -> bool:
    """Whether ``venv`` works and was made at this path: its programs name their Python by path."""
    pip = venv / "bin" / "pip"
    python = venv / "bin" / "python"
    return python.exists() and pip.is_file() and str(python) in pip.read_text(encoding="utf-8")


def _create(venv: Path) -> None:
    if not importlib.util.find_spec("ensurepip"):
        apt.install(
            ["python3.11-venv"],
            otherwise="Python's module venv is missing: install it "
            "(`sudo apt-get install python3.11-venv`), then type `make setup` again.",
        )
    say(f"Creating {venv} with Python {sys.version.split()[0]} …")
    result = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=False)
    if result.returncode:
        raise MlopsError(
            "venv_failed",
            f"Python could not create {venv} (see above): put that right, "
            "then type `make setup` again.",
        )


def _pip(root: Path, what: str, arguments: list[str]) -> None:
    command = [str(root / ".venv/bin/python"), "-m", "pip", "install", "--progress-bar", "off"]
    # A person's own pip settings (index, proxy, certificates) apply, but not `user = true`.
    environment = os.environ | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    last: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        [*command, *arguments],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        _show_progress(what, process.stdout or (), last)
    if process.returncode:
        say("".join(last))
        raise MlopsError(
            "pip_failed",
            "pip could not install the Python packages (its last lines are above): check the "
            "network and `pip config list`, then type `make setup` again.",
        )


def _show_progress(what: str, lines: Iterable[str], last: deque[str]) -> None:
    """Say every 25th package, which is enough to see that it goes on; keep the last lines."""
    collected = 0
    for line in lines:
        last.append(line)
        if line.startswith("Collecting "):
            collected += 1
            if collected % 25 == 0:
                say(f"  {what}: {collected} packages fetched …")
        elif line.startswith("Installing collected packages"):
            say(f"  {what}: installing …")
