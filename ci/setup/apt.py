"""Debian's and Ubuntu's packages, as root or through sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path


# Another apt (unattended upgrades, a test beside this one) is waited for.
IN_TURN = ("-o", "DPkg::Lock::Timeout=600")


def usable() -> bool:
    """Whether this user may install packages here."""
    return shutil.which("apt-get") is not None and _prefix() is not None


def install(packages: list[str], otherwise: str) -> None:
    """Install ``packages`` without what they merely recommend.

    Raises:
        MlopsError: apt-get is not here, not allowed or failed; the message is ``otherwise``.
    """
    if not usable():
        raise MlopsError("not_installed", otherwise)
    fetch_lists()
    say(f"Installing {', '.join(packages)} …")
    if not run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *IN_TURN, *packages):
        raise MlopsError("apt_failed", otherwise)


def installable(package: str) -> bool:
    """Whether apt knows a version of ``package`` whose dependencies can be met."""
    return run("apt-get", "install", "-qq", "--simulate", package, quiet=True)


@cache
def fetch_lists() -> None:
    """Bring the package lists up to date, once in a run."""
    update()


def update() -> bool:
    """Fetch the package lists; false when apt complains."""
    say("Fetching the package lists …")
    return run("apt-get", "update", "-qq", *IN_TURN)


def run(*command: str, text: str = "", quiet: bool = False) -> bool:
    """Run a program as root, ``text`` on its standard input; whether it succeeded.

    What it complains of is shown only when it failed, and never when ``quiet``.
    """
    result = subprocess.run(
        [*(_prefix() or []), "env", "DEBIAN_FRONTEND=noninteractive", *command],
        input=text,
        text=True,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if result.returncode and not quiet:
        say(result.stderr.rstrip())
    return result.returncode == 0


def write(path: Path, text: str) -> bool:
    """Write a file as root."""
    return run("tee", str(path), text=text)


def remove(*paths: Path) -> None:
    """Delete files as root, if they are there."""
    run("rm", "-f", *map(str, paths))


@cache
def _prefix() -> list[str] | None:
    """What goes before a command to run it as root; None when this user may not."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asks = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
    return ["sudo"] if not asks or sys.stdin.isatty() else None
