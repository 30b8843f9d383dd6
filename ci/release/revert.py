"""The pull request that takes a model's files on main back to those of a released version."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.git import git
from ci.github import pulls
from ci.github.checks import start_checks
from ci.github.client import GitHubError
from ci.github.git import IDENTITY
from ci.report.markdown import plain
from ci.state.branch import StateBranch

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.repository import Repository
    from ci.state.records import Pin, Release


@dataclass(frozen=True)
class WentBack:
    """A rollback: what was in production, what is now, and the pin that keeps it there."""

    left: Release
    now: Release
    pin: Pin


@dataclass(frozen=True)
class Revert:
    """``url`` of the pull request, or of the page on which a person opens it; None: no change.

    ``pushed`` says whether its branch is new.
    """

    url: str | None
    opened: bool
    pushed: bool = True

    def said(self) -> str:
        """Markdown for the page of the run."""
        if self.url is None:
            return "main has that version's files already, so that there is nothing to revert."
        if self.opened:
            return f"[A pull request]({self.url}) takes the model's files on main back, too."
        return (
            f"[Open the pull request]({self.url}) that takes the model's files on main back, too: "
            "this repository does not let Actions open one (Settings, Actions, General)."
        )


def branch_of_pin(pin: Pin) -> str:
    """The branch of the pull request that follows from a pin: one a rollback, whoever asks."""
    moment = re.sub(r"[^0-9]", "", pin.at)[:14]
    return f"rollback/{pin.model}-v{pin.left}-{moment}"


def open_revert(
    repository: Repository, github: GitHub, opener: GitHub, done: WentBack, base: str, by: str
) -> Revert:
    """Push a branch with the model's files of the version that is in production, and ask for it.

    ``by`` is who rolled back, in Markdown. ``opener`` opens the pull request: a GitHub App, whose
    pull requests are checked by themselves, or ``github``, the run's own token, with which the
    checks are started by hand.

    Raises:
        MlopsError: ``git_failed``, ``state_unreachable`` or what GitHub says.
    """
    commit = _commit(repository.root, done)
    if commit is None:
        return Revert(None, opened=False)
    branch = branch_of_pin(done.pin)
    remote = StateBranch(repository.root, branch=branch)
    new = remote.head() is None
    if new:
        remote.push(commit)
    title = f"Take {done.now.model} back to version {done.now.version}"
    try:
        made = pulls.create(opener, branch, base, title, _body(done, by))
    except GitHubError as error:
        if error.status != 403:  # a setting of the repository: Actions may not open any
            raise
        server = f"{github.context.server_url}/{github.context.repository}"
        return Revert(f"{server}/compare/{base}...{branch}?expand=1", opened=False, pushed=new)
    if opener is github:
        start_checks(github, made)
    return Revert(str(made["html_url"]), opened=True, pushed=new)


def _commit(root: Path, done: WentBack) -> str | None:
    """A commit on top of the checkout with the old files of the model; None where they are these.

    It is made in an index of its own, so that the work tree stays as it is.
    """
    folder = f"models/{done.now.model}"
    with tempfile.TemporaryDirectory(prefix="mlops-revert-") as directory:
        index = {"GIT_INDEX_FILE": str(Path(directory, "index"))}
        _plumb(root, index, "read-tree", "HEAD")
        _plumb(root, index, "rm", "-r", "-q", "--cached", "--ignore-unmatch", "--", folder)
        _plumb(root, index, "read-tree", f"--prefix={folder}/", f"{done.now.commit}:{folder}")
        tree = _plumb(root, index, "write-tree")
        if tree == git(root, "rev-parse", "HEAD^{tree}").strip():
            return None
        message = f"Take {done.now.model} back to version {done.now.version}\n\n{done.pin.reason}"
        return _plumb(root, index, "commit-tree", tree, "-p", "HEAD", "-m", message)


def _plumb(root: Path, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env={**os.environ, **IDENTITY, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MlopsError("git_failed", f"git {arguments[0]} failed: {reason}")
    return done.stdout.strip()


def _body(done: WentBack, by: str) -> str:
    names = ", ".join(f"@{name}" for name in done.left.approvers)
    brought = f" in #{done.left.pull}" if done.left.pull else ""
    approved = f"{names} approved that version{brought}.\n\n" if names else ""
    return (
        f"{by} rolled {done.now.model} back from version {done.left.version} to "
        f"{done.now.version}: {plain(done.pin.reason, 1000)}\n\n{approved}That has "
        "happened already and does not wait for this pull request. It takes the model's files on "
        f"main back to those of version {done.now.version}, so that main says again what is in "
        "production. Until they change, deployments leave the model alone."
    )
