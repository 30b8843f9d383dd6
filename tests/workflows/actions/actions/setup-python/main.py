"""Hands out the interpreter that this checkout's .venv was made with."""

import os
import platform
import sys
from pathlib import Path

from runner_side import add_path, fail, given, output

version = platform.python_version()
if not version.startswith(given("python-version")):
    fail(f"Version {given('python-version')} was not found; there is {version}.")
programs = Path(os.environ["RUNNER_TOOL_CACHE"]) / "Python" / version / "bin"
programs.mkdir(parents=True, exist_ok=True)
base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
for name in ("python", "python3", "python3.11"):
    if not (programs / name).exists():
        (programs / name).symlink_to(base)
add_path(programs)
output("python-version", version)
output("python-path", programs / "python")
output("cache-hit", "false")
