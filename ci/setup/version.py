"""What a program says of its own version."""

from __future__ import annotations

import re
import subprocess


def version_of(program: str | None, option: str = "--version") -> tuple[int, ...]:
    """Major and minor version that ``program`` prints when asked; (0, 0) when there is none."""
    if program is None:
        return (0, 0)
    try:
        result = subprocess.run([program, option], capture_output=True, text=True, check=False)
    except OSError:
        return (0, 0)
    found = re.search(r"(\d+)\.(\d+)", result.stdout + result.stderr)
    return (int(found[1]), int(found[2])) if found and not result.returncode else (0, 0)
