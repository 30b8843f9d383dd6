"""A host that dies: `python -m tests.support.killed_host ROOT NAME STEP` looks once, and kills
itself before or after the given one of all that it does to the world.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ci.errors import MlopsError
from ci.host import converge, lease, loop, pins, remote, report, tell
from ci.host.run import host
from ci.repository import Repository
from ci.state import local as state
from ci.targets import front, launch, local, maps, processes
from tests.support.switching import killed_at, watched

STEPS: list[tuple[Any, str]] = [
    (remote, "fetch"),
    (state, "write_json"),
    (lease, "write_lease"),
    (converge, "bring_bento"),
    (local, "write_record"),
    (launch, "write_record"),
    (processes, "start"),
    (launch, "wait_until_ready"),
    (front, "write_whole"),
    (maps, "replace"),
    (processes, "stop"),
    (tell, "tell_or_say"),
    (local, "told"),
    (pins, "write_json"),
    (report, "write_host"),
    (report, "pull_state"),
    (report, "forget_declared"),
]


def main(root: str, name: str, step: str) -> int:
    """0 where all was done before the step came."""
    pass_step = killed_at(int(step))
    for module, function in STEPS:
        setattr(module, function, watched(getattr(module, function), pass_step))
    # In this process, so that it dies with it.
    loop.step.converge_apart = lambda repository, want, reason: converge.converge(  # type: ignore[attr-defined]
        repository, want.release, reason, held=bool(want.held)
    )
    try:
        host(Repository(Path(root)), name, once=True, every=1.0, replace=False)
    except MlopsError as error:
        print(error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
