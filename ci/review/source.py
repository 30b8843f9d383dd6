"""A pull request as data: what merging it would change, and the files that would be there.

Git's objects are fetched and read; there is no checkout, so no hook, filter or link of the pull
request has an effect here.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.github.git import authorization

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

REF = "refs/kronkers/pull"
# What the judgement looks at; data in Git is small, since tables are DVC's.
FOLDERS = ("models", "data", "policies", "bentos", "ci/locks")
MOST_BYTES = 200 << 20
STATE = ".mlops/"
# Bytes of a path and of one name in it, as disks take them, and folders in it, as Python removes
# them; what bytes that are no UTF-8 become.
LONGEST_PATH, LONGEST_NAME, DEEPEST = 1_000, 255, 40
UNREADABLE = "\ufffd"
PLAIN_FILES = ("100644", "100755")


@dataclass(frozen=True)
class Source:
    """A pull request merged into ``base_sha``: the changed files, and the tree in ``root``.

    ``root`` holds the plain files of FOLDERS only; ``links`` are paths in them that are no plain
    files, or have a name that no disk takes, and were left out.
    """

    head_sha: str
    base_sha: str
    files: tuple[str, ...]
    links: tuple[str, ...]
    root: Path


def fetch(repository: Repository, number: int, head_sha: str) -> None:
    """Bring the commits of pull request ``number`` and the whole history of the base.

    Raises:
        MlopsError: ``git_failed``; ``outdated_head`` where the pull request has moved on.
    """
    git = _Git(repository.root)
    shallow = git.text("rev-parse", "--is-shallow-repository").strip() == "true"
    deepen = ["--unshallow"] if shallow else []
    git.run("fetch", "-q", "--no-tags", *deepen, "origin", "HEAD")
    git.run("fetch", "-q", "--no-tags", "origin", f"+refs/pull/{number}/head:{REF}")
    if not git.succeeds("merge-base", "--is-ancestor", head_sha, REF):
        raise MlopsError("outdated_head", "The pull request no longer has this commit.")


def source(repository: Repository, head_sha: str, into: Path, base_sha: str = "HEAD") -> Source:
    """The fetched commit ``head_sha`` merged into ``base_sha``, its files below ``into``.

    Raises:
        MlopsError: ``merge_conflict``; ``unknown_base`` where ``base_sha`` is not in the history
            of the checked-out branch; ``state_in_git``; ``too_large``.
    """
    git = _Git(repository.root)
    if not git.succeeds("merge-base", "--is-ancestor", base_sha, "HEAD"):
        raise MlopsError(
            "unknown_base",
            "It was trained on a base that is no commit of the default branch; push again.",
        )
    base = git.text("rev-parse", f"{base_sha}^{{commit}}").strip()
    tree = _merge(git, base, head_sha)
    changed = git.text("diff", "--name-only", "--no-renames", "-z", base, tree)
    files = tuple(sorted(filter(None, changed.split("\0"))))
    own = next((file for file in files if file.startswith(STATE)), None)
    if own:
        raise MlopsError(
            "state_in_git",
            f"It adds or changes {own[:200]}: .mlops/ is this machine's own state and is never "
            "committed; take it out and push again.",
        )
    into.mkdir(parents=True)
    return Source(
        head_sha=head_sha,
        base_sha=base,
        files=files,
        links=tuple(_write(git, tree, into)),
        root=into,
    )


def _merge(git: _Git, base: str, head: str) -> str:
    try:
        return git.text("merge-tree", "--write-tree", "--no-messages", base, head).split()[0]
    except MlopsError:
        raise MlopsError(
            "merge_conflict",
            "It can't be merged: it conflicts with the default branch, or shares no history with "
            "it; merge the default branch into it and push again.",
        ) from None


def _write(git: _Git, tree: str, into: Path) -> list[str]:
    """Write the plain files; returns the paths of what is something else."""
    listed = git.text("ls-tree", "-r", "-z", "-l", "--full-tree", tree, "--", *FOLDERS)
    lines = [line.partition("\t") for line in listed.split("\0") if line]
    entries = [(path, *about.split()) for about, _, path in lines]
    plain = [each for each in entries if each[1] in PLAIN_FILES and _is_safe(each[0])]
    if sum(int(size) for *_, size in plain) > MOST_BYTES:
        raise MlopsError(
            "too_large", f"Its files hold more than {MOST_BYTES:,} bytes; track data with DVC."
        )
    content = git.run("cat-file", "--batch", given="\n".join(blob for _, _, _, blob, _ in plain))
    begin = 0
    for path, _, _, _, size in plain:
        begin = content.index(b"\n", begin) + 1  # a line of its own says what follows
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content[begin : begin + int(size)])
        begin += int(size) + 1
    return sorted({path for path, *_ in entries} - {path for path, *_ in plain})


def _is_safe(path: str) -> bool:
    """Whether ``path`` is one that a disk takes, and says what Git says."""
    parts = path.split("/")
    if UNREADABLE in path or len(path.encode()) > LONGEST_PATH or len(parts) > DEEPEST:
        return False
    return not any(
        part in ("", ".", "..") or part.lower() == ".git" or len(part.encode()) > LONGEST_NAME
        for part in parts
    )


@dataclass(frozen=True)
class _Git:
    root: Path

    def run(self, *arguments: str, given: str = "") -> bytes:
        """Standard output.

        Raises:
            MlopsError: ``git_failed``.
        """
        done = self._start(arguments, given)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else f"exit code {done.returncode}"
            raise MlopsError("git_failed", f"git {arguments[0]} failed: {said}")
        return done.stdout

    def text(self, *arguments: str) -> str:
        """Standard output as text."""
        return self.run(*arguments).decode("utf-8", errors="replace")

    def succeeds(self, *arguments: str) -> bool:
        """Whether the exit code is 0."""
        return self._start(arguments).returncode == 0

    def _start(
        self, arguments: tuple[str, ...], given: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        settings = ["-c", "core.hooksPath=/dev/null", "-c", "transfer.fsckObjects=true"]
        return subprocess.run(
            ["git", *settings, *arguments],
            cwd=self.root,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **_authorization()},
            input=given.encode(),
            capture_output=True,
            check=False,
        )


def _authorization() -> dict[str, str]:
    token, server = os.environ.get("GITHUB_TOKEN"), os.environ.get("GITHUB_SERVER_URL")
    return authorization(token, server) if token and server else {}
