"""What people do with Git: commits on branches of the repository and of forks."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.workflows.standin.hub import Hub

Files = Mapping[str, str | None]


class Authors:
    """One working copy, used in turns."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.clone = folder
        git(folder.parent, "clone", "-q", "-b", "main", str(hub.bare), str(folder))

    def commit(
        self,
        start: str,
        files: Files,
        author: str,
        owner: str,
        branch: str,
        message: str = "Change",
    ) -> str:
        """Push a commit after ``start`` to a branch of ``owner``; returns the commit."""
        git(self.clone, "fetch", "-q", "origin", "+refs/pull/*/head:refs/pulls/*", "main")
        git(self.clone, "checkout", "-q", "--detach", start)
        for name, text in files.items():
            self._write(name, text)
        git(self.clone, "add", "-A")
        identity = ("-c", f"user.name={author}", "-c", f"user.email={author}@example.com")
        git(self.clone, *identity, "commit", "-q", "--allow-empty", "-m", message)
        target = str(self.hub.repository_of(owner))
        git(self.clone, "push", "-q", "--force", target, f"HEAD:refs/heads/{branch}")
        return git(self.clone, "rev-parse", "HEAD").strip()

    def _write(self, name: str, text: str | None) -> None:
        path = self.clone / name
        if text is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder``."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout
