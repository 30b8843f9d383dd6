"""The languages that a model needs on this machine."""

from __future__ import annotations

import shutil

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
