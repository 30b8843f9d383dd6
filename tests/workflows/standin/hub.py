"""What the stand-in remembers: one repository on GitHub, and who may do what."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OWNER, NAME = "kronkers", "mlops"
BOT = "github-actions[bot]"
APP = "kronkers-mlops[bot]"
Document = dict[str, Any]


@dataclass(frozen=True)
class Token:
    """Who a token speaks for and what it may: scope of a workflow's `permissions` → level."""

    login: str
    permissions: dict[str, str]
    run_id: int | None = None

    def may(self, scope: str, level: str) -> bool:
        """Whether ``level`` (read, write) of ``scope`` is granted; metadata always is."""
        granted = self.permissions.get(scope, "none")
        return scope == "metadata" or granted in ("write", level)


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """An answer with an error status."""

    def __init__(self, status: int, message: str, errors: list[Document] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.document: Document = {"message": message, "status": str(status)}
        if errors:
            self.document["errors"] = errors


@dataclass
class Fault:
    """The next answers to ``method`` and ``path`` (a part of it): an error instead."""

    method: str
    path: str
    status: int
    times: int
    headers: dict[str, str]
    message: str
    done: bool


@dataclass
class Hub:
    """The repository ``kronkers/mlops``; ``repositories`` holds its bare Git and those of forks."""

    folder: Path
    owner: str = OWNER
    name: str = NAME
    url: str = ""
    pulls: dict[int, Document] = field(default_factory=dict)
    issues: dict[int, Document] = field(default_factory=dict)
    comments: list[Document] = field(default_factory=list)
    reviews: list[Document] = field(default_factory=list)
    statuses: list[Document] = field(default_factory=list)
    runs: dict[int, Document] = field(default_factory=dict)
    jobs: list[Document] = field(default_factory=list)
    artifacts: dict[int, Document] = field(default_factory=dict)
    caches: list[Document] = field(default_factory=list)
    releases: dict[int, Document] = field(default_factory=dict)
    assets: dict[int, Document] = field(default_factory=dict)
    labels: dict[str, Document] = field(default_factory=dict)
    collaborators: dict[str, str] = field(default_factory=dict)
    dispatches: list[Document] = field(default_factory=list)
    asked_for: list[Document] = field(default_factory=list)
    deployments: list[Document] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    switched_off: dict[str, str] = field(default_factory=dict)
    workflows_since: str = "2020-01-01T00:00:00Z"
    _last: int = 100

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def bare(self) -> Path:
        """The Git repository that everything is pushed to."""
        return self.repository_of(self.owner)

    def repository_of(self, owner: str) -> Path:
        """The bare repository of ``owner``, who may be a fork's."""
        return self.folder / "git" / owner / f"{self.name}.git"

    def next_id(self) -> int:
        """A number that nothing else has."""
        with self.lock:
            self._last += 1
            return self._last

    def next_number(self) -> int:
        """The number of the next issue or pull request."""
        return 1 + max([0, *self.issues])

    def fail_next(
        self,
        method: str,
        path: str,
        status: int = 500,
        *,
        times: int = 1,
        headers: dict[str, str] | None = None,
        message: str = "Server Error",
        done: bool = False,
    ) -> None:
        """Answer the next ``times`` requests whose path contains ``path`` with an error.

        ``method`` may be ``*``; ``status`` 0 cuts the connection; with ``done`` the request is
        carried out before the error is sent, as when an answer is lost.
        """
        self.faults.append(Fault(method, path, status, times, headers or {}, message, done))

    def rate_limit_next(
        self, method: str, path: str, *, times: int = 1, seconds: int = 1, secondary: bool = True
    ) -> None:
        """Answer with a rate limit that lasts ``seconds``."""
        if secondary:
            headers = {"retry-after": str(seconds)}
            message = "You have exceeded a secondary rate limit."
        else:
            reset = int(datetime.now(UTC).timestamp()) + seconds
            headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
            message = "API rate limit exceeded for installation."
        self.fail_next(method, path, 403, times=times, headers=headers, message=message)

    def git(self, *arguments: str, owner: str | None = None, stdin: str | None = None) -> str:
        """Run git in the bare repository; returns its output without the last newline."""
        identity = ["-c", "user.name=GitHub", "-c", "user.email=noreply@example.com"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.repository_of(owner or self.owner),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refusal(422, f"git {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def commit_of(self, ref: str, owner: str | None = None) -> str | None:
        """The commit that ``ref`` names, if any."""
        try:
            return self.git("rev-parse", "--verify", "-q", f"{ref}^{{commit}}", owner=owner)
        except Refusal:
            return None


def now() -> str:
    """This moment as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
