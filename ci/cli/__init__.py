"""The command `mlops`: arguments in, exit code and one document out."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line: exit 0 done, 1 refused or failed, 2 bad arguments."""
    from ci.cli.run import run

    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(run(sys.argv[1:]))
