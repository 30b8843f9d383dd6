"""Starting the checks of a pull request that the workflow's own token opened: nothing else does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ci.github import pulls, runs

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.pulls import Pull

CHECKS = "pull-request.yml"
MERGEABLE_SECONDS = 60


def start_checks(github: GitHub, pull: Pull) -> None:
    """Start the checks of ``pull`` by hand.

    GitHub makes the merge that they test in the background; without it there is nothing to test.
    """
    end = time.monotonic() + MERGEABLE_SECONDS
    while pulls.pull(github, pull["number"])["mergeable"] is None and time.monotonic() < end:
        time.sleep(2)
    runs.dispatch(github, CHECKS, pull["head"]["ref"], {"pull": str(pull["number"])})
