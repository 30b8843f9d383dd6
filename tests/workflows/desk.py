"""A clone of a world's repository on somebody's machine, with a token: no workflow, no run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.repositories import git
from tests.workflows.standin.hub import Token
from tests.workflows.world import World

WRITES = {
    "actions": "read",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull-requests": "write",
}


class Desk:
    """A fresh clone: nothing of any cache, artifact or earlier run is in it."""

    def __init__(self, world: World, folder: Path, login: str = "alice") -> None:
        self.root = folder
        self.token = f"ghp_{world.github.next_id()}"
        world.github.tokens[self.token] = Token(login, WRITES, 0)
        git(folder.parent, "clone", "-q", "-b", "main", str(world.github.bare), str(folder))
        address = f"{world.url}/{world.github.full_name}.git"
        git(folder, "remote", "set-url", "origin", address)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")},
            "GITHUB_TOKEN": self.token,
            "GITHUB_API_URL": world.url,
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        """What the clone's own `mlops` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "ci", *arguments],
            cwd=self.root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        """The one document that it prints."""
        return json.loads(self.run(*arguments, "--json"))
