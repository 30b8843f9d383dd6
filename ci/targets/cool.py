"""Ends what was kept warm of one model, once its time is over: `python -m ci.targets.cool`."""

from __future__ import annotations

import sys
from pathlib import Path

from ci.busy import only_one
from ci.errors import MlopsError
from ci.repository import Repository
from ci.targets.local import settle


def main(root: str, name: str) -> int:
    """0 where it is done; 1 while another command changes what runs, and is to be asked again."""
    repository = Repository(Path(root))
    try:
        with only_one(repository, "deploy", name):
            settle(repository, name)
    except MlopsError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
