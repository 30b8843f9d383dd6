"""What act does not evaluate and GitHub trusts: read from the YAML, and linted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.repositories import SOURCE
from tests.workflows.hygiene import (
    GROUPS,
    PERMISSIONS,
    TRIGGERS,
    pin_problems,
    problems,
    step_problems,
)
from tests.workflows.workflow_files import Workflow

FOLDER = SOURCE / ".github" / "workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
ACTIONS = sorted((SOURCE / ".github" / "actions").glob("*/action.yml"))
PROGRAMS = Path(sys.executable).parent
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


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def read(name: str) -> Workflow:
    return Workflow(name, text_of(name))


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


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_says_what_github_trusts(name: str) -> None:
    assert problems(name, text_of(name)) == []


def test_every_workflow_is_in_the_tables_and_there_is_no_other() -> None:
    assert set(FILES) == set(TRIGGERS) == set(PERMISSIONS) == set(GROUPS)


@pytest.mark.parametrize("path", ACTIONS, ids=str)
def test_a_composite_action_is_pinned_and_has_no_expression_in_a_script(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["runs"]["steps"]
    assert [each for step in steps for each in step_problems(step)] == []
    assert list(pin_problems(text)) == []


BREAKS = {
    "permissions for all": ("watchdog.yml", "permissions: {}", "permissions: read-all"),
    "one more permission": ("batch.yml", "      contents: read #", "      contents: write #"),
    "a permission less": ("drift.yml", "      issues: write", "      checks: write"),
    "a shell that goes on": ("deploy.yml", "    shell: bash", "    shell: sh"),
    "telemetry": ("drift.yml", '  NML_DISABLE_USAGE_LOGGING: "true"\n', ""),
    "a token for all": ("batch.yml", "env:\n", "env:\n  TOKEN: ${{ github.token }}\n"),
    "runs that race": ("rollback.yml", "  cancel-in-progress: false\n", ""),
    "a deployment that a push ends": ("deploy.yml", "progress: false", "progress: true"),
    "deployments at once": ("deploy.yml", "deploy-${{ inputs.model }}", "${{ github.run_id }}"),
    "a training that no push ends": ("pull-request.yml", "progress: true", "progress: false"),
    "no time-out": ("report.yml", "    timeout-minutes: 60\n", ""),
    "a time-out of hours": ("batch.yml", "timeout-minutes: 60", "timeout-minutes: 360"),
    "another machine": ("pull-request.yml", "ubuntu-24.04", "ubuntu-latest"),
    "a tag": ("batch.yml", "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7"),
    "another commit": ("batch.yml", "checkout@3d3c42e5", "checkout@4d3c42e5"),
    "another tag beside it": ("drift.yml", "# v8.0.1", "# v8.0.2"),
    "an action of a stranger": ("report.yml", "iterative/setup-cml@", "iterativ/setup-cml@"),
    "credentials": ("deploy.yml", "persist-credentials: false", "persist-credentials: true"),
    "text of a stranger": (
        "new-model.yml",
        "run: python -m ci ci new-model",
        'run: echo "${{ github.event.issue.title }}"',
    ),
    "a secret": ("pull-request.yml", "${{ github.token }}", "${{ secrets.APP_PRIVATE_KEY }}"),
    "an environment for the job": (
        "watchdog.yml",
        "    timeout-minutes",
        "    env: {GITHUB_TOKEN: x}\n    timeout-minutes",
    ),
    "the full hour": ("batch.yml", "37 */6", "0 */6"),
    "an even minute": ("drift.yml", "53 6", "52 6"),
    "no way by hand": ("watchdog.yml", "  workflow_dispatch:\n", ""),
    "another branch": ("deploy.yml", "branches: [main]", "branches: [main, release]"),
    "a path less": ("platform.yml", "      - policies/**\n", ""),
    "a type less": ("report.yml", "types: [requested, completed]", "types: [completed]"),
    "code of a fork": ("pull-request.yml", "  pull_request:", "  pull_request_target:"),
    "an ignore without a reason": ("batch.yml", "act knows no other way", ""),
}


@pytest.mark.parametrize("case", list(BREAKS))
def test_each_break_is_found(case: str) -> None:
    name, there, instead = BREAKS[case]
    text = text_of(name)
    assert there in text
    assert problems(name, text.replace(there, instead, 1)) != []


def test_a_report_follows_the_workflows_by_their_names() -> None:
    follows = read("report.yml").data["on"]["workflow_run"]["workflows"]
    assert follows == [read("pull-request.yml").name, read("platform.yml").name]


def test_the_report_runs_no_code_of_the_pull_request() -> None:
    for step in read("report.yml").uses():
        given = step.get("with") or {}
        assert not {"ref", "repository", "allow-unsafe-pr-checkout"} & set(given), step


# Every step that sees a secret, by file and job: none of them runs a model's code.
APP = "actions/create-github-app-token"
SECRETS = {
    ("batch.yml", "score", "Copy the input, where it is elsewhere"),
    ("batch.yml", "publish", "Deliver and release the files, note them in the ledger"),
    ("data.yml", "refresh", APP),
    ("data.yml", "refresh", "Read, clean, check, propose"),
    ("deploy.yml", "hosts", "Have the hosts look now"),
    ("deploy.yml", "image", "Build the image around what was staged, and push it"),
    ("deploy.yml", "release", "Register, publish, put in production"),
    ("new-model.yml", "propose", APP),
    ("retrain.yml", "propose", APP),
    ("retrain.yml", "propose", "Move its window, ask for it"),
    ("revert.yml", "revert", APP),
    ("rollback.yml", "rollback", APP),
    ("rollback.yml", "rollback", "Pin, move the aliases, ask for the revert"),
    ("tune.yml", "propose", APP),
    ("tune.yml", "propose", "Keep the trials, ask for the best"),
}


def test_only_these_steps_see_a_secret() -> None:
    found = {
        (name, job, step.get("name") or step["uses"].partition("@")[0])
        for name in FILES
        for job, spec in read(name).jobs.items()
        for step in spec["steps"]
        if "secrets" in yaml.safe_dump(step)
    }
    assert found == SECRETS


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
