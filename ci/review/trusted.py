"""Finds what was reviewed: only an artifact that report.yml itself made counts."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci.github.artifacts import download, find_artifacts
from ci.github.runs import run as run_by_id
from ci.review.verdict import Reviewed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.github.artifacts import Artifact
    from ci.github.client import GitHub
    from ci.github.runs import Run

VERDICT = "verdict.json"
BODY = "body.md"
PAGE = "report.html"
WORKFLOW = ".github/workflows/report.yml"
MOST_BYTES = 16 << 20


def artifact_name(sha: str) -> str:
    """What the artifact with the review of commit ``sha`` is called."""
    return f"verdict-{sha}"


def page_name(sha: str) -> str:
    """What the artifact with the full report of commit ``sha`` is called."""
    return f"report-{sha}"


def find_reviewed(
    github: GitHub, sha: str, training: Run | None = None
) -> tuple[Reviewed, str] | None:
    """The newest review of commit ``sha`` and the body of its report.

    ``training`` is the run whose artifacts must have been reviewed; None takes any.
    """
    for artifact in _ours(github, artifact_name(sha)):
        found = _read(github, artifact["id"])
        if found and found[0].head_sha == sha and _is_of(found[0], training):
            return found
    return None


def find_page(github: GitHub, sha: str) -> str | None:
    """The address of the newest full report of commit ``sha``."""
    newest = next(_ours(github, page_name(sha)), None)
    if newest is None:
        return None
    context, run_id = github.context, newest["workflow_run"]["id"]
    address = f"{context.server_url}/{context.repository}/actions/runs/{run_id}"
    return f"{address}/artifacts/{newest['id']}"


def _ours(github: GitHub, name: str) -> Iterator[Artifact]:
    """Artifacts of that name that report.yml made, newest first; anybody's run may use the name."""
    known: dict[int, bool] = {}
    for artifact in find_artifacts(github, name):
        run_id = int(artifact["workflow_run"]["id"])
        if run_id not in known:
            known[run_id] = made_by_report(github, artifact)
        if known[run_id]:
            yield artifact


def made_by_report(github: GitHub, artifact: Artifact) -> bool:
    """Whether report.yml of this repository's default branch made the artifact."""
    made_by = artifact["workflow_run"]
    if made_by["repository_id"] != made_by["head_repository_id"]:
        return False
    found = run_by_id(github, int(made_by["id"]))
    return (
        made_by_workflow(github, found, WORKFLOW)
        and found["event"] == "workflow_run"
        and f"refs/heads/{found['head_branch']}" == github.context.ref
    )


def made_by_workflow(github: GitHub, run: Run, path: str) -> bool:
    """Whether a run is of the workflow file ``path`` in this repository."""
    own = str(run["path"]).partition("@")[0]
    return (own, run["repository"]["full_name"]) == (path, github.context.repository)


def _is_of(reviewed: Reviewed, training: Run | None) -> bool:
    if training is None:
        return True
    return (reviewed.run_id, reviewed.run_attempt) == (training["id"], training["run_attempt"])


def _read(github: GitHub, artifact_id: int) -> tuple[Reviewed, str] | None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "verdict.zip"
        download(github, artifact_id, path, MOST_BYTES)
        try:
            with zipfile.ZipFile(path) as archive:
                reviewed = Reviewed.model_validate_json(archive.read(VERDICT))
                return reviewed, archive.read(BODY).decode("utf-8")
        except (zipfile.BadZipFile, KeyError, ValidationError):
            return None  # made by another version of the platform
