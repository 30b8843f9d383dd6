"""R, from the system's packages."""

from __future__ import annotations

import shutil

from ci.errors import MlopsError
from ci.setup import apt
from ci.setup.version import version_of

LEAST = (4, 0)
ADVICE = (
    "R 4.0 or newer is missing: install it (Debian and Ubuntu: `sudo apt-get install "
    "r-base-core`; elsewhere: the build from r-project.org), then type `make setup` again."
)


def find() -> str | None:
    """The path of `Rscript`."""
    return shutil.which("Rscript")


def install() -> None:
    """Install R when it is missing or too old.

    Raises:
        MlopsError: R can't be installed here.
    """
    if version_of(find()) < LEAST:
        apt.install(["r-base-core"], otherwise=ADVICE)
    if version_of(find()) < LEAST:
        raise MlopsError("r_missing", ADVICE)
