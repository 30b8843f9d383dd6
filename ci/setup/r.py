"""R and the packages that the models' `renv.lock` files name, from the system's packages."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.setup import apt
from ci.setup.version import version_of

if TYPE_CHECKING:
    from pathlib import Path

LEAST = (4, 0)
ADVICE = (
    "R 4.0 or newer is missing: install it (Debian and Ubuntu: `sudo apt-get install "
    "r-base-core`; elsewhere: the build from r-project.org), then type `make setup` again."
)
MISSING = "cat(setdiff(commandArgs(TRUE), rownames(installed.packages())))"


def find() -> str | None:
    """The path of `Rscript`."""
    return shutil.which("Rscript")


def install(root: Path) -> None:
    """Install R when it is missing or too old, and the packages that it lacks.

    Raises:
        MlopsError: R or a package can't be installed here.
    """
    if version_of(find()) < LEAST:
        apt.install(["r-base-core"], otherwise=ADVICE)
    if version_of(find()) < LEAST:
        raise MlopsError("r_missing", ADVICE)
    absent = lacking(packages(root))
    if absent:
        apt.install([f"r-cran-{name.lower()}" for name in absent], _package_advice(absent))
    if lacking(absent):
        raise MlopsError("r_packages_missing", _package_advice(absent))


def locks(root: Path) -> list[Path]:
    """The lock of R packages of each model that has one."""
    return sorted(root.glob("models/*/renv.lock"))


def packages(root: Path) -> list[str]:
    """The R packages that the models need, sorted.

    Raises:
        MlopsError: a lock is not what renv writes.
    """
    found = [locked(path, path.relative_to(root).as_posix()) for path in locks(root)]
    return sorted({name for names in found for name in names})


def locked(path: Path, name: str) -> list[str]:
    """The R packages in one lock, which errors call ``name``.

    Raises:
        MlopsError: it is not what renv writes.
    """
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["Packages"].keys())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MlopsError(
            "renv_lock",
            f"{name} is not a lock that renv writes: make it again "
            'with `Rscript -e "renv::snapshot()"` in that folder.',
        ) from error


def lacking(names: list[str]) -> list[str]:
    """Those of the packages ``names`` that R can't find; all where R fails."""
    if not names:
        return []
    command = [find() or "Rscript", "--vanilla", "-e", MISSING, *names]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.split() if result.returncode == 0 else names


def _package_advice(names: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    debian = " ".join(f"r-cran-{name.lower()}" for name in names)
    return (
        f"R lacks {', '.join(names)}: install with `sudo apt-get install {debian}` (Debian and "
        f"Ubuntu) or `Rscript -e 'install.packages(c({quoted}))'`, then type `make setup` again."
    )
