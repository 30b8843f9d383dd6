"""Who acts, the person behind a workflow's run or the user of this machine, and why."""

from __future__ import annotations

import getpass
import os

NO_REASON = "no reason given"


def whoever() -> str:
    """The name that events carry: ``GITHUB_ACTOR`` in a workflow, else the user's."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return os.environ.get("GITHUB_ACTOR") or "unknown"
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
