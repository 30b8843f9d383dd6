"""What act does not evaluate and GitHub trusts: read from the YAML, and linted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.telemetry import OFF
from tests.support.repositories import SOURCE
from tests.workflows.workflow_files import LABEL, Workflow

FOLDER = SOURCE / ".github" / "workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
ACTIONS = sorted((SOURCE / ".github" / "actions").glob("*/action.yml"))
PROGRAMS = Path(sys.executable).parent
# Release and commit of each action that may be used, read from its own repository.
PINS = {
    "actions/cache": ("v5.0.5", "27d5ce7f107fe9357f9df03efb73ab90386fccae"),
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/create-github-app-token": ("v3.1.1", "1b10c78c7865c340bc4f6099eb2f838309f1e8c3"),
    "actions/download-artifact": ("v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "iterative/setup-cml": ("v2.0.1", "f12ea7685438c1fc438d50f77519b3860cf5fa98"),
}
USES = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>\S+) # (?P<tag>v\S+)")
MODEL_INPUT = {"model"}
# When each file runs; inputs of workflow_dispatch by name.
TRIGGERS: dict[str, dict[str, Any]] = {
    "batch.yml": {"schedule": ["37 */6 * * *"], "workflow_dispatch": MODEL_INPUT},
    "deploy.yml": {"push": {"branches": ["main"]}, "workflow_dispatch": {"model", "unpin"}},
    "drift.yml": {"schedule": ["53 6 * * 1"], "workflow_dispatch": MODEL_INPUT},
    "new-model.yml": {"issues": {"types": ["opened", "edited", "reopened"]}},
    "platform.yml": {
        "pull_request": {
            "branches": ["main"],
            "paths": [
                ".dvc/**",
                ".gitattributes",
                ".github/**",
                "!.github/CODEOWNERS",
                "Makefile",
                "bentos/**",
                "ci/**",
                "policies/**",
                "pyproject.toml",
                "tests/**",
            ],
        }
    },
    "pull-request.yml": {"pull_request": {"branches": ["main"]}, "workflow_dispatch": {"pull"}},
    "report.yml": {
        "workflow_run": {
            "workflows": ["Pull request", "Platform"],
            "types": ["requested", "completed"],
        }
    },
    "rollback.yml": {"workflow_dispatch": {"model", "version", "reason"}},
    "watchdog.yml": {"schedule": ["11 9 * * *"], "workflow_dispatch": set()},
}
# Jobs whose token may write, and what.
WRITERS = {
    "batch.yml/publish": {"contents"},
    "deploy.yml/release": {"contents"},
    "deploy.yml/settle": {"contents", "issues"},
    "drift.yml/issues": {"issues"},
    "new-model.yml/propose": {"actions", "contents", "issues", "pull-requests"},
    "report.yml/announce": {"pull-requests", "statuses"},
    "report.yml/publish": {"pull-requests", "statuses"},
    "rollback.yml/rollback": {"actions", "contents", "pull-requests"},
    "watchdog.yml/watchdog": {"issues"},
}
BROKEN = """\
name: Broken
on: [pull_request_target]
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v7
      - run: echo ${{ github.event.pull_request.title }} $undefined ${{ steps.x.outputs.y }}
"""


def read(name: str) -> Workflow:
    return Workflow(name, (FOLDER / name).read_text(encoding="utf-8"))


def linted(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What a linter of this environment says."""
    return subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=SOURCE,
        env={**os.environ, "PATH": f"{PROGRAMS}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    return linted("actionlint", "-no-color", "-shellcheck", PROGRAMS / "shellcheck", *files)


def zizmor(*files: Path) -> subprocess.CompletedProcess[str]:
    return linted("zizmor", "--offline", "--no-progress", "--persona", "pedantic", *files)


def test_actionlint_has_no_complaint() -> None:
    done = actionlint(*FOLDER.glob("*.yml"))
    assert (done.returncode, done.stdout) == (0, "")


def test_zizmor_has_no_complaint() -> None:
    done = zizmor(SOURCE / ".github")
    assert done.returncode == 0, done.stdout


def test_both_complain_about_a_broken_workflow(tmp_path: Path) -> None:
    file = tmp_path / ".github" / "workflows" / "broken.yml"
    file.parent.mkdir(parents=True)
    file.write_text(BROKEN)
    said = actionlint(file)
    assert said.returncode == 1
    for rule in ("[expression]", "[shellcheck]"):
        assert rule in said.stdout
    found = zizmor(file)
    assert found.returncode != 0
    for rule in ("dangerous-triggers", "unpinned-uses", "excessive-permissions"):
        assert rule in found.stdout


@pytest.mark.parametrize("path", [*(FOLDER / name for name in FILES), *ACTIONS], ids=str)
def test_an_ignored_finding_says_why(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "zizmor: ignore" in line:
            assert re.search(r"zizmor: ignore\[[\w,-]+\] \w+ \w+", line), line


@pytest.mark.parametrize("path", [*(FOLDER / name for name in FILES), *ACTIONS], ids=str)
def test_actions_are_pinned_by_the_commit_of_a_release(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\s*(- )?uses: (?!\./)", line):
            continue
        match = USES.search(line)
        assert match, line
        owner, name = match["action"].split("/")[:2]
        assert PINS[f"{owner}/{name}"] == (match["tag"], match["commit"]), line


def test_each_file_runs_when_it_should() -> None:
    assert set(FILES) == set(TRIGGERS)
    for name, expected in TRIGGERS.items():
        found = read(name).data["on"]
        for event, wanted in expected.items():
            given = found[event]
            if event == "schedule":
                given = [each["cron"] for each in given]
            if event == "workflow_dispatch":
                given = set((given or {}).get("inputs", {}))
            assert given == wanted, (name, event)
        assert set(found) == set(expected), name


def test_a_report_follows_the_workflows_by_their_names() -> None:
    follows = read("report.yml").data["on"]["workflow_run"]["workflows"]
    assert follows == [read("pull-request.yml").name, read("platform.yml").name]


@pytest.mark.parametrize("name", FILES)
def test_every_workflow_starts_from_nothing(name: str) -> None:
    workflow = read(name)
    data = workflow.data
    assert data["permissions"] == {}
    assert data["defaults"] == {"run": {"shell": "bash"}}
    assert data["env"] == OFF
    assert set(data["concurrency"]) == {"group", "cancel-in-progress"}
    for job_name, job in workflow.jobs.items():
        assert job["timeout-minutes"] <= 120, job_name
        assert job["runs-on"] in (LABEL, "${{ matrix.runner }}"), job_name
        assert job["permissions"], job_name


@pytest.mark.parametrize("name", FILES)
def test_only_named_jobs_hold_a_token_that_writes(name: str) -> None:
    for job in read(name).jobs:
        granted = read(name).permissions(job)
        writes = {scope for scope, level in granted.items() if level == "write"}
        assert writes == WRITERS.get(f"{name}/{job}", set()), job


@pytest.mark.parametrize("name", ["pull-request.yml", "platform.yml"])
def test_what_runs_a_pull_request_s_code_reads_the_repository_and_has_no_secret(name: str) -> None:
    workflow = read(name)
    assert "secrets." not in workflow.text
    for job in workflow.jobs:
        assert workflow.permissions(job) == {"contents": "read"}


@pytest.mark.parametrize("name", FILES)
def test_steps_leave_no_token_and_no_text_of_strangers_in_scripts(name: str) -> None:
    for job_name, job in read(name).jobs.items():
        assert "GITHUB_TOKEN" not in job.get("env", {}), job_name
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, job_name
    assert "${{" not in "".join(
        step.get("run", "")
        for path in ACTIONS
        for step in yaml.safe_load(path.read_text(encoding="utf-8"))["runs"]["steps"]
    )


@pytest.mark.parametrize("name", ["batch.yml", "drift.yml", "watchdog.yml"])
def test_the_clock_avoids_the_full_hour_and_can_be_started_by_hand(name: str) -> None:
    on = read(name).data["on"]
    for each in on["schedule"]:
        minute = int(each["cron"].split()[0])
        assert minute % 2
        assert minute % 15
    assert "workflow_dispatch" in on


def test_the_report_runs_no_code_of_the_pull_request() -> None:
    for step in read("report.yml").uses():
        given = step.get("with") or {}
        assert not {"ref", "repository", "allow-unsafe-pr-checkout"} & set(given), step


def test_updates_wait_until_others_have_met_what_is_new() -> None:
    updates = yaml.safe_load((SOURCE / ".github" / "dependabot.yml").read_text())["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "pip"}
    for each in updates:
        assert each["cooldown"]["default-days"] >= 7


def test_every_variable_and_secret_is_in_the_readme() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / ".github").rglob("*.yml"))
    named = set(re.findall(r"\b(?:vars|secrets)\.(\w+)", text)) - {"GITHUB_TOKEN"}
    table = (SOURCE / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([A-Z_]+)` \| (?:variable|secret) \|", table, re.MULTILINE))
    assert named
    assert listed == named
