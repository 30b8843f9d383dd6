"""The command `mlops` as people type it: a process of its own in a repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MLOPS = Path(sys.executable).with_name("mlops")
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The code of the error document of a command that was refused."""
        assert self.code == 1, (self.code, self.stdout, self.stderr)
        document = self.json
        assert set(document) == {"error"}
        assert set(document["error"]) == {"code", "message"}
        assert "Traceback" not in self.stderr
        assert "\n" not in document["error"]["message"]
        return str(document["error"]["code"])

    @property
    def message(self) -> str:
        """The sentence of that document."""
        return str(self.json["error"]["message"])


def mlops(
    root: Path,
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    seconds: float = LONGEST_SECONDS,
) -> Done:
    """Run `mlops ARGUMENTS` in ``root``; ``env`` replaces variables."""
    done = subprocess.run(
        [MLOPS, *arguments],
        cwd=root,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def result(root: Path, *arguments: str | Path) -> Any:
    """The document that `mlops ARGUMENTS --json` prints when it succeeds."""
    done = mlops(root, *arguments, "--json")
    assert done.code == 0, (arguments, done.stdout, done.stderr)
    return done.json


def begin(root: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start `mlops ARGUMENTS` in ``root`` and do not wait for it."""
    silent = subprocess.DEVNULL
    return subprocess.Popen([MLOPS, *arguments], cwd=root, stdout=silent, stderr=silent)
