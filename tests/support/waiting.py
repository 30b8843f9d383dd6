"""Waits for what another process or thread does in its own time; on a busy machine, long."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.05


def wait_for(true: Callable[[], object], what: str = "") -> None:
    """Until it is true; fails with ``what`` where it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(LOOK_SECONDS)
