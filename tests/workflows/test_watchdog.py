"""The watchdog: each way in which a schedule is not kept, and the one issue about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci.clock.alarm import raise_alarm
from ci.clock.watchdog import Missed, missed, schedules
from ci.github.client import GitHub
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import BOT
from tests.workflows.standin.job import job_client
from tests.workflows.world import World

SOURCE = Path(__file__).parents[2]
MAY = {"actions": "read", "contents": "read", "issues": "write"}
NOW = datetime(2026, 11, 16, 9, 11, tzinfo=UTC)  # a Monday, as watchdog.yml runs
KEPT = {
    "batch.yml": "2026-11-16T06:44:10Z",
    "data.yml": "2026-11-16T03:31:00Z",
    "drift.yml": "2026-11-16T07:02:00Z",
    "retrain.yml": "2026-11-16T07:50:00Z",
    "revert.yml": "2026-11-16T06:29:00Z",
    "watchdog.yml": "2026-11-15T09:20:00Z",
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """GitHub with this repository's workflows, each of whose schedules was kept."""
    made = Hub(tmp_path)
    with Standin(made):
        new_bare(made.bare)
        made.tokens["token"] = Token(BOT, MAY)
        for path in sorted((SOURCE / ".github/workflows").glob("*.yml")):
            _write(made, f".github/workflows/{path.name}", path.read_text())
        for name, begun in KEPT.items():
            _run(made, name, begun)
        yield made
    assert made.problems == []


def _write(hub: Hub, path: str, text: str) -> None:
    """Commit a file to main of the bare repository."""
    index = f"--git-dir={hub.bare}"
    blob = hub.git(index, "hash-object", "-w", "--stdin", stdin=text)
    hub.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    tree = hub.git("write-tree")
    hub.git("update-ref", "refs/heads/main", hub.git("commit-tree", tree, "-m", path))


def _run(
    hub: Hub,
    name: str,
    begun: str,
    conclusion: str | None = "success",
    event: str = "schedule",
) -> int:
    number = hub.next_id()
    hub.runs[number] = {
        "id": number,
        "name": name,
        "path": f".github/workflows/{name}",
        "event": event,
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "head_branch": "main",
        "head_sha": hub.git("rev-parse", "main"),
        "head_owner": hub.owner,
        "pulls": [],
        "pull": None,
        "attempt": 1,
        "actor": hub.owner,
        "created_at": begun,
        "updated_at": begun,
    }
    return number


def _forget(hub: Hub, name: str) -> None:
    for number in [n for n, each in hub.runs.items() if each["path"].endswith(f"/{name}")]:
        del hub.runs[number]


def _github(hub: Hub) -> GitHub:
    return job_client(hub, "token", SOURCE)


def _found(hub: Hub, now: datetime = NOW) -> dict[str, str]:
    return {each.workflow: each.reason for each in missed(SOURCE, _github(hub), now)}


def test_it_watches_every_workflow_with_a_schedule() -> None:
    assert set(schedules(SOURCE)) == set(KEPT)


def test_schedules_that_were_kept_are_no_alarm(hub: Hub) -> None:
    assert _found(hub) == {}


def test_a_schedule_that_did_not_run_is_named_with_its_time(hub: Hub) -> None:
    _forget(hub, "drift.yml")
    _run(hub, "drift.yml", "2026-11-09T07:00:00Z")  # a week before
    said = "was due at 2026-11-16 06:53 UTC and has not run since"
    assert _found(hub) == {"drift.yml": said}


def test_what_is_late_is_not_missed_yet(hub: Hub) -> None:
    _forget(hub, "drift.yml")
    _run(hub, "drift.yml", "2026-11-09T07:00:00Z")
    assert _found(hub, NOW.replace(hour=8, minute=52)) == {}
    assert list(_found(hub, NOW.replace(hour=8, minute=53))) == ["drift.yml"]


def test_only_the_schedule_and_people_put_it_right(hub: Hub) -> None:
    _forget(hub, "drift.yml")
    _run(hub, "drift.yml", "2026-11-16T08:30:00Z", event="push")
    assert list(_found(hub)) == ["drift.yml"]
    _run(hub, "drift.yml", "2026-11-16T08:31:00Z", event="workflow_dispatch")
    assert _found(hub) == {}


def test_a_run_that_failed_is_named_until_one_succeeds(hub: Hub) -> None:
    _forget(hub, "batch.yml")
    _run(hub, "batch.yml", "2026-11-16T06:44:10Z", "failure")
    assert _found(hub)["batch.yml"].endswith("and its last run ended as failure")
    _run(hub, "batch.yml", "2026-11-16T08:00:00Z", None, "workflow_dispatch")
    assert _found(hub) == {}


def test_a_workflow_that_is_switched_off_is_named(hub: Hub) -> None:
    hub.switched_off["batch.yml"] = "disabled_inactivity"
    assert _found(hub) == {"batch.yml": "is switched off (disabled inactivity)"}


def test_a_new_workflow_owes_nothing_from_before(hub: Hub) -> None:
    hub.runs.clear()
    assert set(_found(hub)) == set(KEPT)
    hub.workflows_since = "2026-11-16T08:00:00Z"
    assert _found(hub) == {}


def test_one_issue_that_is_brought_up_to_date_closed_and_opened_again(hub: Hub) -> None:
    github = _github(hub)
    dropped = Missed("batch.yml", "was due at noon", f"{hub.url}/page")
    other = Missed("drift.yml", "is switched off", f"{hub.url}/page")
    assert raise_alarm(github, [], "@grace") is None
    assert hub.issues == {}
    number = raise_alarm(github, [dropped], "@grace")
    assert number is not None
    assert raise_alarm(github, [dropped, other], "@grace") == number
    assert list(hub.issues) == [number]
    issue = hub.issues[number]
    assert issue["title"] == "Schedules that were not kept: batch.yml, drift.yml"
    assert "Run workflow" in issue["body"]
    assert "@grace, please have a look" in issue["body"]
    assert raise_alarm(github, [], "@grace") is None
    assert issue["state"] == "closed"
    assert len(hub.comments) == 1
    raise_alarm(github, [], "@grace")
    assert len(hub.comments) == 1
    assert raise_alarm(github, [other], "@grace") == number
    assert issue["state"] == "open"
    assert list(hub.issues) == [number]


def test_an_issue_of_somebody_else_is_never_taken_for_ours(world: World) -> None:
    world.github.workflows_since = "2020-01-01T00:00:00Z"  # nothing has run since
    decoy = world.open_issue(
        "Mine", "<!-- kronkers watchdog -->\nHands off", author="mallory", labels=("watchdog",)
    )
    run = world.dispatch("watchdog.yml")
    assert run.conclusion == "success", run.log
    assert world.github.issues[decoy]["body"].endswith("Hands off")
    (ours,) = (each for each in world.github.issues.values() if each["author"] == BOT)
    assert "batch.yml" in ours["title"]
    assert "Team platform" in ours["body"]
    assert f"#{ours['number']}" in run.summary
    world.github.workflows_since = "2099-01-01T00:00:00Z"
    again = world.dispatch("watchdog.yml")
    assert again.conclusion == "success", again.log
    assert ours["state"] == "closed"
    assert "Every schedule is kept" in again.summary
