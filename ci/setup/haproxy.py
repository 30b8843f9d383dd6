"""HAProxy, which stands before the models of a machine, from the system's packages."""

from __future__ import annotations

import os
import shutil

from ci.errors import MlopsError
from ci.setup import apt
from ci.setup.version import version_of

# The first one whose maps can be replaced as a whole.
LEAST = (2, 4)
# Where packages put it; people's PATH has it on some systems only.
FOLDERS = "/usr/sbin:/usr/local/sbin"
ADVICE = (
    "HAProxy 2.4 or newer is missing: install it (Debian and Ubuntu: `sudo apt-get install "
    "haproxy`; elsewhere: the build from haproxy.org), then type the command again."
)


def find() -> str | None:
    """The path of HAProxy."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:{FOLDERS}")


def is_there() -> bool:
    """Whether there is one that is new enough."""
    return version_of(find(), "-v") >= LEAST


def install() -> None:
    """Install HAProxy when it is missing or too old.

    Raises:
        MlopsError: it can't be installed here.
    """
    if not is_there():
        apt.install(["haproxy"], otherwise=ADVICE)
    if not is_there():
        raise MlopsError("no_haproxy", ADVICE)
