"""What act does not evaluate in the workflows of a pull request: triggers, paths, names, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import ci
from ci.review import look, trusted
from ci.review.scope import PLATFORM, UNTESTED

WORKFLOWS = Path(ci.__file__).parents[1] / ".github" / "workflows"
WRITE_STEPS = {"python -m ci ci announce", "python -m ci ci publish"}


def workflow(name: str) -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))
    found["on"] = found.pop(True)
    return found


def steps(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    jobs = workflow(name)["jobs"].values()
    return [(job, step) for job in jobs for step in job["steps"]]


def test_each_push_to_a_pull_request_into_main_is_checked() -> None:
    for name in (look.TRAINING, look.TESTS):
        trigger = workflow(name)["on"]["pull_request"]
        assert trigger["branches"] == ["main"]
        assert "types" not in trigger  # opened, synchronize and reopened
    assert set(workflow(look.TRAINING)["on"]) == {"pull_request", "workflow_dispatch"}
    assert set(workflow(look.TESTS)["on"]) == {"pull_request"}


def test_the_report_follows_both_by_their_names() -> None:
    file = workflow(Path(trusted.WORKFLOW).name)
    assert set(file["on"]) == {"workflow_run"}
    follows = file["on"]["workflow_run"]
    assert follows["types"] == ["requested", "completed"]
    assert follows["workflows"] == [workflow(n)["name"] for n in (look.TRAINING, look.TESTS)]
    assert file["concurrency"]["cancel-in-progress"] is False


def test_what_the_status_waits_for_is_what_starts_the_tests() -> None:
    paths = workflow(look.TESTS)["on"]["pull_request"]["paths"]
    wanted = {f"{path}**" if path.endswith("/") else path for path in PLATFORM}
    assert {path for path in paths if not path.startswith("!")} == wanted
    assert {path[1:] for path in paths if path.startswith("!")} == set(UNTESTED)


def test_a_newer_push_cancels_the_older_run_only() -> None:
    for name in (look.TRAINING, look.TESTS):
        group = workflow(name)["concurrency"]
        assert group["cancel-in-progress"] is True
        assert "github.event.pull_request.number" in group["group"]


def test_the_jobs_of_a_pull_request_may_only_read() -> None:
    for name in (look.TRAINING, look.TESTS):
        for job in workflow(name)["jobs"].values():
            assert job["permissions"] == {"contents": "read"}
    assert "secrets" not in (WORKFLOWS / look.TRAINING).read_text(encoding="utf-8")


def test_only_the_steps_that_publish_hold_a_token_that_may_write() -> None:
    held = 0
    for job, step in steps("report.yml"):
        writes = "write" in job["permissions"].values()
        if writes and "GITHUB_TOKEN" in (step.get("env") or {}):
            held += 1
            assert step["run"] in WRITE_STEPS
        assert "ref" not in (step.get("with") or {})  # only the default branch is checked out
    assert held == len(WRITE_STEPS)


def test_no_leg_of_the_matrix_ends_another() -> None:
    job = workflow(look.TRAINING)["jobs"]["model"]
    assert job["strategy"]["fail-fast"] is False
    assert job["if"] == "needs.plan.outputs.count != '0'"


def test_no_pull_request_is_run_where_its_caches_would_be_mains() -> None:
    condition = workflow(look.TRAINING)["jobs"]["plan"]["if"]
    assert "github.event_name == 'pull_request'" in condition
    assert "github.ref_name != github.event.repository.default_branch" in condition
