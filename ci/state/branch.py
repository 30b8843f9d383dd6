"""The orphan branch `mlops-state`, written compare-and-swap: a lost race is run again."""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ci.errors import MlopsError
from ci.git import git
from ci.github.git import IDENTITY, authorization

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BRANCH = "mlops-state"
ATTEMPTS = 8
PAUSE_SECONDS = 0.5
# A server that fails for a moment; what was pushed and not confirmed may be pushed again.
PAUSES = (1.0, 2.0, 4.0, 0.0)
PASSES = re.compile(
    r"returned error: (429|5\d\d)|RPC failed|hung up unexpectedly|early EOF|Connection reset"
)
# How long Git may take to say what there is, and to move it.
ASKED_SECONDS, MOVED_SECONDS = 30.0, 300.0
# Another push is on its way to the same branch.
RACES = re.compile(r"cannot lock ref|fetch first|non-fast-forward|incorrect old value")
# A hook or a test may have set these: they would lead Git into another repository.
REPOSITORY_VARIABLES = (
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)


def default_branch(root: Path) -> str:
    """The branch that the remote ``origin`` calls its own; ``main`` where it does not say.

    Raises:
        MlopsError: ``state_unreachable``.
    """
    said = StateBranch(root).symbolic_head()
    return said or "main"


@dataclass(frozen=True)
class StateBranch:
    """The branch ``branch`` of the remote ``remote`` that the checkout at ``root`` knows.

    Nothing of it enters the checkout's own branches or work tree. Where ``GITHUB_TOKEN`` is set
    and the remote is reached over HTTP, it is used and stored nowhere. A command of Git that takes
    too long is given up.
    """

    root: Path
    remote: str = "origin"
    branch: str = BRANCH

    def head(self) -> str | None:
        """The commit that the remote branch is at, or None where there is no such branch.

        Raises:
            MlopsError: ``state_unreachable``.
        """
        found = self._run(self.root, "ls-remote", self._url(), f"refs/heads/{self.branch}")
        return found.split()[0] if found.strip() else None

    def symbolic_head(self) -> str | None:
        """The branch that the remote's HEAD is, where that branch is there."""
        found = self._run(self.root, "ls-remote", "--symref", self._url(), "HEAD")
        named = re.match(r"ref: refs/heads/(\S+)\tHEAD\n", found)
        return named[1] if named else None

    def checkout(self, folder: Path) -> str | None:
        """Write the branch's files into the new or empty ``folder``; returns their commit or None.

        Raises:
            MlopsError: ``state_unreachable``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        commit = self.head()
        if commit is not None:
            with tempfile.TemporaryDirectory(prefix="mlops-state-") as clone:
                self._fetch(Path(clone), folder.resolve(), commit)
        return commit

    def update(self, message: str, change: Callable[[Path], T], attempts: int = ATTEMPTS) -> T:
        """Run ``change`` on a folder with the newest files, and push what it did as one commit.

        Where another writer was quicker, ``change`` runs again on that writer's files, so it must
        not rely on what it did before. A ``change`` that alters nothing pushes nothing; one that
        raises pushes nothing either. Returns what ``change`` returned.

        Raises:
            MlopsError: ``state_unreachable``; ``state_busy`` where every attempt lost its race.
        """
        for attempt in range(attempts):
            if attempt:
                time.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))  # noqa: S311
            with tempfile.TemporaryDirectory(prefix="mlops-state-") as directory:
                clone, folder = Path(directory, "git"), Path(directory, "files")
                folder.mkdir()
                base = self.head()
                self._fetch(clone, folder, base)
                result = change(folder)
                if self._push(clone, folder, message, base):
                    return result
        raise MlopsError(
            "state_busy",
            f"The branch {self.branch} was changed by others {attempts} times in a row; "
            "nothing was written, run the same step again.",
        )

    def push(self, commit: str) -> None:
        """Make the branch, or move it forward, to a commit that the checkout has.

        Raises:
            MlopsError: ``state_unreachable``, also where that is no step forward.
        """
        self._run(self.root, "push", "-q", self._url(), f"{commit}:refs/heads/{self.branch}")

    def _fetch(self, clone: Path, folder: Path, commit: str | None) -> None:
        """A repository of its own at ``clone`` whose work tree is ``folder``, at ``commit``."""
        self._work(clone, folder, "init", "-q", "-b", self.branch)
        if commit is not None:
            self._work(clone, folder, "fetch", "-q", "--depth=1", self._url(), commit)
            self._work(clone, folder, "reset", "-q", "--hard", commit)

    def _push(self, clone: Path, folder: Path, message: str, base: str | None) -> bool:
        """Commit and push; False where the branch is no longer at ``base``."""
        self._work(clone, folder, "add", "-A", "--force")
        if not self._work(clone, folder, "status", "--porcelain").strip():
            return True
        self._work(clone, folder, "commit", "-q", "--no-verify", "-m", message)
        own = self._work(clone, folder, "rev-parse", "HEAD").strip()
        done = self._try(clone, "push", "-q", self._url(), f"{own}:refs/heads/{self.branch}")
        if done.returncode == 0:
            return True
        now = self.head()
        if now == base and not RACES.search(done.stderr):
            raise self._unreachable(done.stderr)
        return now == own  # it went through, and only the answer was lost

    def _work(self, clone: Path, folder: Path, *arguments: str) -> str:
        return self._run(folder, f"--git-dir={clone}", f"--work-tree={folder}", *arguments)

    def _url(self) -> str:
        return git(self.root, "remote", "get-url", self.remote).strip()

    def _run(self, cwd: Path, *arguments: str) -> str:
        done = self._try(cwd, *arguments)
        if done.returncode:
            raise self._unreachable(done.stderr)
        return done.stdout

    def _try(self, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What Git says, asked again where the server fails for a moment."""
        settings = ["-c", "core.autocrlf=false", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"]
        for pause in PAUSES:
            done = self._once(cwd, ["git", *settings, *arguments])
            if not (done.returncode and PASSES.search(done.stderr)):
                break
            time.sleep(pause)
        return done

    def _once(self, cwd: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
        patience = ASKED_SECONDS if "ls-remote" in command else MOVED_SECONDS
        try:
            return subprocess.run(
                command,
                cwd=cwd,
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"no answer after {patience:g} s"
            return subprocess.CompletedProcess(command, 1, "", said)

    def _unreachable(self, said: str) -> MlopsError:
        lines = said.strip().splitlines() or ["no message"]
        lines += [line for line in lines if line.startswith("fatal: ")][:1]
        return MlopsError(
            "state_unreachable",
            f"The branch {self.branch} of {self.remote} could not be read or written "
            f"({lines[-1]}); see that the remote can be reached and that this token may write "
            "contents, then run the same step again.",
        )

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in REPOSITORY_VARIABLES}
        kept |= {"GIT_TERMINAL_PROMPT": "0", **IDENTITY}
        token = kept.pop("GITHUB_TOKEN", None)
        if token and self._url().startswith("http"):
            kept |= authorization(token)
        return kept
