"""Programs that tests need and the platform does not: brought by one test process at a time."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ci.setup import apt

TURN = Path(tempfile.gettempdir()) / "mlops-tests-bring.lock"


def bring(missing: Callable[[], list[str]]) -> None:
    """Install the packages that ``missing`` names, unless another test process does meanwhile.

    apt itself waits for those that are no tests of ours.
    """
    if not missing():
        return
    with TURN.open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        packages = missing()
        if packages:
            apt.install(
                packages, otherwise=f"Missing for the tests: install {', '.join(packages)}."
            )
        assert not missing(), f"{packages} brought not all that is needed"


def bring_programs(packages: Mapping[str, str]) -> None:
    """Install the package of each program that is missing."""
    bring(lambda: [packages[each] for each in packages if shutil.which(each) is None])


def bring_program(package: str, *names: str) -> str:
    """The path of the first of the programs ``names`` that is here, or comes with ``package``."""

    def found() -> str | None:
        return next(filter(None, map(shutil.which, names)), None)

    bring(lambda: [] if found() else [package])
    return str(found())
