"""A pull request of the platform's own: one a branch, opened by CML, brought up to date by us.

`cml pr create` opens a pull request and can't change one: it returns what is open for a branch, as
it is. So the branch is pushed here, and what is open gets its new text through the API. CML writes
the token into the Git settings where it runs, so that it runs in an empty repository of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.git import git
from ci.github import pulls
from ci.github.checks import start_checks
from ci.github.comment import cml_environment
from ci.github.git import AUTHOR, EMAIL, IDENTITY, authorization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ci.github.client import GitHub
    from ci.github.pulls import Pull

NOT_PERMITTED = "not permitted to create"
NOT_OPENED = (
    "Open the {link}: this repository does not let Actions open one (Settings, Actions, General)."
)


@dataclass(frozen=True)
class Text:
    """Title and Markdown of a pull request, and the message of its commit."""

    title: str
    body: str
    message: str


@dataclass(frozen=True)
class Proposed:
    """``url`` is the pull request's; where Actions may open none, the page that opens it.

    ``number`` is None there. ``done`` says what became of it.
    """

    number: int | None
    url: str
    done: str

    def said(self, endings: Mapping[str, str]) -> str:
        """What became of it, in Markdown: ``endings`` has a sentence for each, with ``{link}``."""
        link = f"[pull request]({self.url})"
        return {**endings, "pushed": NOT_OPENED}[self.done].format(link=link)


def propose(
    root: Path,
    github: GitHub,
    opener: GitHub,
    branch: str,
    paths: Sequence[str],
    text: Text,
    *,
    again: bool = True,
) -> Proposed:
    """Put ``paths`` as they are in the work tree on ``branch``, and ask for them to be merged.

    ``opener`` has the token of the GitHub App, whose pull requests are checked by themselves, or
    is ``github``, with whose token the checks are started by hand. Without ``again`` nothing is
    opened where a pull request with just that was closed last.

    Raises:
        MlopsError: ``git_failed``, ``push_failed``, ``cml_missing``, ``cml_failed``, or what
            GitHub says.
    """
    head = f"{github.context.owner}:{branch}"
    there = pulls.open_pulls(github, head)
    commit = _commit(root, paths, text.message)
    if there and _holds(root, opener, f"refs/heads/{branch}", commit, paths):
        return Proposed(there[0]["number"], there[0]["html_url"], "unchanged")
    closed = None if there or again else pulls.refused(github, head)
    if closed and _holds(root, opener, f"refs/pull/{closed['number']}/head", commit, paths):
        return Proposed(closed["number"], closed["html_url"], "refused")
    _push(root, opener, commit, branch)
    if there:
        pull = pulls.update(opener, there[0]["number"], text.title, text.body)
        done = "updated"
    else:
        base = str(github.context.event["repository"]["default_branch"])
        made = _open(github, opener, branch, base, text)
        if made is None:
            context = github.context
            page = f"{context.server_url}/{context.repository}/compare/{base}...{branch}?expand=1"
            return Proposed(None, page, "pushed")
        pull, done = made, "opened"
    if opener is github:
        start_checks(github, pull)
    return Proposed(pull["number"], pull["html_url"], done)


def _commit(root: Path, paths: Sequence[str], message: str) -> str:
    """A commit on top of the checkout, made in an index of its own."""
    with tempfile.TemporaryDirectory(prefix="mlops-propose-") as directory:
        index = {"GIT_INDEX_FILE": str(Path(directory, "index"))}
        _run(root, index, "read-tree", "HEAD")
        _run(root, index, "add", "--", *paths)
        tree = _run(root, index, "write-tree")
        return _run(root, index, "commit-tree", tree, "-p", "HEAD", "-m", message)


def _holds(root: Path, opener: GitHub, ref: str, commit: str, paths: Sequence[str]) -> bool:
    """Whether ``ref`` on GitHub has the same content of ``paths`` already."""
    there = fetch(root, opener, ref)
    return not git(root, "diff", "--name-only", there, commit, "--", *paths).strip()


def fetch(root: Path, opener: GitHub, ref: str) -> str:
    """The commit that ``ref`` names on GitHub; it and the one before are here now."""
    token = authorization(opener.context.token)
    _run(root, token, "fetch", "-q", "--depth=2", "origin", ref)
    return git(root, "rev-parse", "FETCH_HEAD").strip()


def show(root: Path, commit: str, path: str) -> str | None:
    """The file ``path`` as it is in ``commit``; None where it is not there."""
    try:
        return git(root, "show", f"{commit}:{path}")
    except MlopsError:
        return None


def _push(root: Path, opener: GitHub, commit: str, branch: str) -> None:
    """Whatever else lies on the branch belongs to a pull request that is closed, or is replaced."""
    try:
        token = authorization(opener.context.token)
        _run(root, token, "push", "-q", "--force", "origin", f"{commit}:refs/heads/{branch}")
    except MlopsError as error:
        raise MlopsError(
            "push_failed", f"The branch {branch} could not be pushed: {error.message}"
        ) from None


def _open(github: GitHub, opener: GitHub, branch: str, base: str, text: Text) -> Pull | None:
    """The pull request that CML opens; None where Actions may open none."""
    said = _cml(
        opener,
        *("pr", "create", f"--branch={branch}", f"--target-branch={base}"),
        *(f"--title={text.title}", f"--body={text.body}"),
        *(f"--user-name={AUTHOR}", f"--user-email={EMAIL}"),
    )
    found = pulls.open_pulls(github, f"{github.context.owner}:{branch}")
    if found:
        return found[0]
    if NOT_PERMITTED in said:
        return None
    raise MlopsError("cml_failed", f"cml opened no pull request for {branch}: {said}")


def _cml(opener: GitHub, *arguments: str) -> str:
    """What CML says last."""
    program = shutil.which("cml")
    if program is None:
        raise MlopsError(
            "cml_missing", "The program cml is not installed; iterative/setup-cml brings it."
        )
    with tempfile.TemporaryDirectory() as name:
        home, context = Path(name), opener.context
        git(home, "init", "-q")
        git(home, "remote", "add", "origin", f"{context.server_url}/{context.repository}.git")
        done = subprocess.run(
            [program, *arguments],
            cwd=home,
            env=cml_environment(context, home),
            capture_output=True,
            text=True,
            check=False,
        )
    lines = f"{done.stdout}\n{done.stderr}".strip().splitlines()
    return lines[-1] if lines else f"no message, exit code {done.returncode}"


def _run(root: Path, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env={**os.environ, **IDENTITY, **environment, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MlopsError("git_failed", f"git {arguments[0]} failed: {reason}")
    return done.stdout.strip()
