"""Schedules that did not run: GitHub drops some, and says so to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ci.cron import Cron
from ci.files import read_yaml_quickly
from ci.github.runs import runs_of_workflow

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.github.runs import Run

# Schedules run 5 to 30 minutes late; what is later than this was dropped.
WINDOW = timedelta(hours=2)
FOLDER = ".github/workflows"
# Whoever starts a missed workflow by hand has put it right.
EVENTS = ("schedule", "workflow_dispatch")
RUNS = 50


@dataclass(frozen=True)
class Missed:
    """A workflow file whose schedule is not kept, and why; ``url`` is its page or its failed run.

    ``reason`` is a sentence without its subject.
    """

    workflow: str
    reason: str
    url: str


def schedules(root: Path) -> dict[str, list[str]]:
    """File name → cron expressions of each workflow at ``root`` that has any."""
    found = {}
    for path in sorted((root / FOLDER).glob("*.y*ml")):
        data: dict[Any, Any] = dict(read_yaml_quickly(path))
        triggers = data.get("on", data.get(True)) or {}  # YAML 1.1 reads `on` as true
        entries = triggers.get("schedule") if isinstance(triggers, dict) else None
        if entries:
            found[path.name] = [str(entry["cron"]) for entry in entries]
    return found


def missed(root: Path, github: GitHub, now: datetime) -> list[Missed]:
    """Every workflow of the checkout at ``root`` whose last due run is not there or failed."""
    wanted = schedules(root)
    listed = github.paginate(f"{github.repo}/actions/workflows", key="workflows")
    known = {each["path"]: each for each in listed}
    found = []
    for name, crons in wanted.items():
        workflow = known.get(f"{FOLDER}/{name}")
        problem = workflow and _problem(github, name, workflow, crons, now)
        if problem:
            found.append(problem)
    return found


def _problem(
    github: GitHub, name: str, workflow: dict[str, Any], crons: list[str], now: datetime
) -> Missed | None:
    page = f"{github.context.server_url}/{github.context.repository}/actions/workflows/{name}"
    if workflow["state"] != "active":
        return Missed(name, f"is switched off ({workflow['state'].replace('_', ' ')})", page)
    slot = max(filter(None, (Cron.parse(cron).last(now - WINDOW) for cron in crons)), default=None)
    if slot is None or slot < _time(workflow["created_at"]):
        return None
    runs = [
        run
        for run in runs_of_workflow(github, name, RUNS)
        if run["event"] in EVENTS and _time(run["created_at"]) >= slot
    ]
    if not runs:
        return Missed(name, f"was due at {slot:%F %H:%M} UTC and has not run since", page)
    if any(_well(run) for run in runs):
        return None
    newest = runs[0]
    return Missed(
        name,
        f"was due at {slot:%F %H:%M} UTC, and its last run ended as {newest['conclusion']}",
        str(newest["html_url"]),
    )


def _well(run: Run) -> bool:
    """Whether a run has done its work, or still may."""
    return bool(run["status"] != "completed" or run["conclusion"] == "success")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
