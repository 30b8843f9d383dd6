"""Runs of workflows and their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci.github.client import GitHub

Run = dict[str, Any]


def run(github: GitHub, run_id: int) -> Run:
    """The run: ``path`` of its workflow, ``event``, ``head_sha``, ``conclusion`` and so on."""
    found: Run = github.get(f"{github.repo}/actions/runs/{run_id}")
    return found


def jobs(github: GitHub, run_id: int) -> list[dict[str, Any]]:
    """Jobs of the latest attempt, with ``steps``, ``started_at`` and ``completed_at``."""
    return list(github.paginate(f"{github.repo}/actions/runs/{run_id}/jobs", key="jobs"))


def runs_of_head(github: GitHub, sha: str, workflow: str | None = None) -> list[Run]:
    """Runs for a commit, newest first; ``workflow`` is a file name such as platform.yml."""
    of = f"/workflows/{workflow}" if workflow else ""
    path = f"{github.repo}/actions{of}/runs"
    return list(github.paginate(path, {"head_sha": sha}, key="workflow_runs"))


def runs_of_workflow(github: GitHub, workflow: str, count: int, event: str = "") -> list[Run]:
    """The newest ``count`` runs (at most 100) of a workflow file, newest first."""
    query: dict[str, str | int] = {"per_page": count, **({"event": event} if event else {})}
    path = f"{github.repo}/actions/workflows/{workflow}/runs"
    found: list[Run] = github.get(path, query)["workflow_runs"]
    return found


def dispatch(github: GitHub, workflow: str, ref: str, inputs: dict[str, str]) -> None:
    """Start a workflow file that has ``workflow_dispatch``."""
    path = f"{github.repo}/actions/workflows/{workflow}/dispatches"
    github.post(path, {"ref": ref, "inputs": inputs})
