"""What a pull request costs in runner minutes, as GitHub counts them: each job rounded up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.github.runs import jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.github.runs import Run

PUSHES_COUNTED = 30


@dataclass(frozen=True)
class Cost:
    """Minutes of each job of this push, of the report, and of earlier pushes' runs."""

    push: dict[str, int]
    report: int
    earlier: int
    pushes_left_out: int

    def sentence(self) -> str:
        """For people."""
        parts = [f"{name} {minutes}" for name, minutes in self.push.items()]
        listed = f" ({', '.join(parts)})" if 1 < len(parts) <= 12 else ""
        here = sum(self.push.values())
        earlier = f"; earlier pushes {self.earlier}" if self.earlier else ""
        total = here + self.report + self.earlier
        least = "at least " if self.pushes_left_out else ""
        return (
            f"Cost of this pull request: {least}{total} runner minutes. This push "
            f"{here}{listed}, this report {self.report}{earlier}. "
            "Each job counts in whole minutes, rounded up."
        )


def cost_of(
    github: GitHub, pull: Pull, runs_of_push: Sequence[Run], report_run: int, now: datetime
) -> Cost:
    """The cost of ``pull`` until ``now``.

    Args:
        github: the API.
        pull: the pull request.
        runs_of_push: the runs of its newest commit.
        report_run: the run that this process belongs to, whose last job has not ended.
        now: when the running job is counted until.
    """
    push: dict[str, int] = {}
    for run in runs_of_push:
        for job in jobs(github, run["id"]):
            minutes = minutes_of(job, now)
            if minutes:
                push[job["name"]] = push.get(job["name"], 0) + minutes
    counted = {run["id"] for run in runs_of_push}
    before = [run for run in _runs_of_branch(github, pull) if run["id"] not in counted]
    earlier = [_minutes(github, run["id"], now) for run in before[:PUSHES_COUNTED]]
    report = _minutes(github, report_run, now)
    return Cost(push, report, sum(earlier), max(0, len(before) - PUSHES_COUNTED))


def _minutes(github: GitHub, run_id: int, now: datetime) -> int:
    return sum(minutes_of(job, now) for job in jobs(github, run_id))


def minutes_of(job: dict[str, Any], now: datetime) -> int:
    """Whole minutes of a job, rounded up; 0 for one that was skipped or waits."""
    begun = job.get("started_at")
    if not begun or job.get("conclusion") == "skipped" or job.get("status") == "queued":
        return 0
    ended = job.get("completed_at")
    seconds = ((_time(ended) if ended else now) - _time(begun)).total_seconds()
    return max(1, math.ceil(seconds / 60))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _runs_of_branch(github: GitHub, pull: Pull) -> list[Run]:
    """Runs that earlier pushes of this pull request started, newest first."""
    query = {"branch": pull["head"]["ref"]}
    found = github.paginate(f"{github.repo}/actions/runs", query, key="workflow_runs")
    home = (pull["head"]["repo"] or {}).get("full_name")
    begin = _time(pull["created_at"])
    return [
        run
        for run in found
        if run["event"] in ("pull_request", "workflow_dispatch")
        and (run.get("head_repository") or {}).get("full_name") == home
        and _time(run["created_at"]) >= begin
    ]
