"""The command `mlops`: arguments in, exit code and one document out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ci.telemetry import OFF


def main() -> None:
    """Run the command line: exit 0 done, 1 refused or failed, 2 bad arguments."""
    from ci.cli.run import run

    use_environment()
    sys.exit(run(sys.argv[1:]))


def use_environment() -> None:
    """Find this environment's programs (python, julia) first, and turn telemetry off."""
    programs = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    os.environ.update(OFF)
