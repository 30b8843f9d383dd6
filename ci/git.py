"""The few questions that the platform asks Git."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    """Standard output of ``git`` in ``root``.

    Raises:
        MlopsError: ``git_failed`` with Git's own last line.
    """
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotepath=false", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise MlopsError("git_failed", "Git is not installed; install it and try again.") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MlopsError("git_failed", f"git {arguments[0]} failed in {root}: {reason}")
    return done.stdout


def head_commit(root: Path) -> str | None:
    """The commit that is checked out, or None before the first commit or outside Git."""
    try:
        return git(root, "rev-parse", "--verify", "-q", "HEAD").strip()
    except MlopsError:
        return None


def commit_time(root: Path, commit: str) -> str | None:
    """When ``commit`` was made, ISO 8601; None where this checkout does not have it."""
    try:
        return git(root, "show", "-s", "--format=%cI", commit, "--").strip() or None
    except MlopsError:
        return None


def differing(root: Path, commit: str, paths: Sequence[str]) -> list[str]:
    """Files under ``paths`` that ``commit`` does not have as they stand here, sorted.

    Raises:
        MlopsError: ``git_failed`` where there is no such commit.
    """
    changed = git(root, "diff", "--name-only", "--no-renames", "-z", commit, "--", *paths)
    new = git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    return sorted(set(filter(None, (changed + new).split("\0"))))


def changed_files(root: Path, base: str) -> list[str]:
    """Files that differ from the merge base with ``base`` to the working tree, sorted.

    Untracked files that are not ignored count; a renamed file counts under both names.

    Raises:
        MlopsError: ``unknown_base`` where ``base`` names no commit.
    """
    try:
        git(root, "rev-parse", "--verify", "-q", f"{base}^{{commit}}")
        start = git(root, "merge-base", base, "HEAD").strip()
    except MlopsError:
        raise MlopsError(
            "unknown_base",
            f"{base!r} has no common history with what is checked out; give a branch, a tag or "
            "a commit, such as origin/main (in a shallow clone: git fetch --unshallow first).",
        ) from None
    changed = git(root, "diff", "--name-only", "--no-renames", "-z", start, "--")
    untracked = git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted(set(filter(None, (changed + untracked).split("\0"))))
