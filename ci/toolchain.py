"""The languages that a model needs on this machine."""

from __future__ import annotations

import platform
import shutil
import subprocess

from ci.errors import MlopsError

PROGRAMS = {"r": "Rscript", "julia": "julia"}
LABELS = {"python": "Python", "r": "R", "julia": "Julia"}


def require(language: str) -> None:
    """Make sure that ``language`` can run here.

    Raises:
        MlopsError: ``missing_toolchain`` with what to type.
    """
    program = PROGRAMS.get(language)
    if program and shutil.which(program) is None:
        raise MlopsError(
            "missing_toolchain",
            f"{LABELS[language]} is not installed ({program} is not on the PATH); type: make setup",
        )


def toolchain(language: str) -> str:
    """The language of this machine with its version, as the program itself says it."""
    program = PROGRAMS.get(language)
    if program is None:
        return f"Python {platform.python_version()}"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip()[:200] if lines else LABELS[language]
