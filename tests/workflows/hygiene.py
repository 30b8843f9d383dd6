"""What act does not evaluate and GitHub trusts: what the text of a workflow file must say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ci.telemetry import OFF
from tests.workflows.workflow_files import LABEL, Workflow

# Release and commit of each action that may be used, read from its own repository.
PINS = {
    "actions/attest-build-provenance": ("v4.1.0", "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32"),
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
    "data.yml": {
        "schedule": ["23 3 * * *"],
        "push": {"branches": ["main"], "paths": ["data/*/incoming/**"]},
        "workflow_dispatch": {"dataset"},
    },
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
    "retrain.yml": {
        "schedule": ["41 7 * * *"],
        "workflow_run": {"workflows": ["Drift"], "types": ["completed"], "branches": ["main"]},
        "workflow_dispatch": {"model", "reason"},
    },
    "revert.yml": {
        "repository_dispatch": {"types": ["rolled-back"]},
        "schedule": ["23 6,14 * * *"],
        "workflow_dispatch": set(),
    },
    "rollback.yml": {"workflow_dispatch": {"model", "version", "reason"}},
    "tune.yml": {"workflow_dispatch": {"model", "trials", "minutes"}},
    "watchdog.yml": {"schedule": ["11 9 * * *"], "workflow_dispatch": set()},
}
READ, WRITE = "read", "write"
CHECKOUT = {"contents": READ}
COMMENTS = {"actions": READ, "contents": READ, "pull-requests": WRITE, "statuses": WRITE}
# All that each job's token may; a job that is not here may not be.
PERMISSIONS: dict[str, dict[str, dict[str, str]]] = {
    "batch.yml": {
        "due": CHECKOUT,
        "score": CHECKOUT,
        "merge": CHECKOUT,
        "publish": {"contents": WRITE},
    },
    "data.yml": {
        "due": {"actions": READ, "contents": READ},
        "refresh": {"actions": WRITE, "contents": WRITE, "pull-requests": WRITE},
    },
    "deploy.yml": {
        "plan": CHECKOUT,
        "stage": {"actions": READ, "contents": READ, "pull-requests": READ},
        "image": {"contents": READ, "packages": WRITE},
        "release": {"actions": READ, "contents": WRITE, "pull-requests": READ},
        "hosts": CHECKOUT,
        "settle": {"actions": READ, "contents": WRITE, "issues": WRITE},
    },
    "drift.yml": {
        "watched": CHECKOUT,
        "check": CHECKOUT,
        "issues": {"contents": WRITE, "issues": WRITE},
    },
    "new-model.yml": {
        "propose": {
            "actions": WRITE,
            "contents": WRITE,
            "issues": WRITE,
            "pull-requests": WRITE,
        }
    },
    "platform.yml": {"test": CHECKOUT},
    "pull-request.yml": {"plan": CHECKOUT, "model": CHECKOUT},
    "report.yml": {
        "announce": COMMENTS,
        "review": {"actions": READ, "contents": READ, "pull-requests": READ},
        "attest": {"attestations": WRITE, "id-token": WRITE},
        "publish": COMMENTS,
    },
    "retrain.yml": {
        "due": {"contents": READ, "issues": READ, "pull-requests": READ},
        "propose": {"actions": WRITE, "contents": WRITE, "pull-requests": WRITE},
    },
    "revert.yml": {
        "revert": {"actions": WRITE, "contents": WRITE, "pull-requests": WRITE},
    },
    "rollback.yml": {
        "rollback": {"actions": WRITE, "contents": WRITE, "pull-requests": WRITE},
    },
    "tune.yml": {
        "language": CHECKOUT,
        "search": CHECKOUT,
        "propose": {"actions": WRITE, "contents": WRITE, "pull-requests": WRITE},
    },
    "watchdog.yml": {"watchdog": {"actions": READ, "contents": READ, "issues": WRITE}},
}
LONGEST_MINUTES = 120
# Workflows in which the code of a pull request runs.
UNTRUSTED = ("pull-request.yml", "platform.yml")
# What runs one after the other. A newer push ends those of a pull request, and nothing else ends.
NUMBER = "github.event.pull_request.number"
GROUPS = {
    "batch.yml": "batch-${{ inputs.model }}",
    "data.yml": "data-${{ inputs.dataset }}",
    "deploy.yml": "deploy-${{ inputs.model }}",
    "drift.yml": "drift-${{ inputs.model }}",
    "new-model.yml": "new-model-${{ github.event.issue.number }}",
    "platform.yml": f"platform-${{{{ {NUMBER} }}}}",
    "pull-request.yml": f"pull-request-${{{{ {NUMBER} || inputs.pull }}}}",
    "report.yml": "report-${{ github.event.workflow_run.head_sha }}",
    "retrain.yml": "retrain",
    "revert.yml": "revert",
    "rollback.yml": "rollback",
    "tune.yml": "tune-${{ inputs.model }}",
    "watchdog.yml": "watchdog",
}


def problems(name: str, text: str) -> list[str]:
    """What is wrong in the workflow file ``name``, a sentence each."""
    workflow = Workflow(name, text)
    return [
        *_top(name, workflow.data),
        *_triggers(name, workflow.data["on"]),
        *_jobs(name, workflow),
        *pin_problems(text),
        *_ignores(text),
    ]


def _top(name: str, data: dict[str, Any]) -> Iterator[str]:
    if data.get("permissions") != {}:
        yield "the workflow does not start from permissions: {}"
    if data.get("defaults") != {"run": {"shell": "bash"}}:
        yield "the default shell is not bash"
    if data.get("env") != OFF:
        yield "the environment does not switch all telemetry off, or holds more"
    wanted = {"group": GROUPS.get(name), "cancel-in-progress": name in UNTRUSTED}
    if data.get("concurrency") != wanted:
        yield f"what waits for what is not {wanted}"


def _triggers(name: str, found: dict[str, Any]) -> Iterator[str]:
    wanted = TRIGGERS.get(name, {})
    if {event: _plain(event, value) for event, value in found.items()} != wanted:
        yield f"it does not start with exactly {wanted}"
    for each in found.get("schedule", []):
        minute = each["cron"].split()[0]
        if not minute.isdigit() or not int(minute) % 2 or not int(minute) % 15:
            yield f"the schedule {each['cron']} is at a minute that everybody takes"
    if "schedule" in found and "workflow_dispatch" not in found:
        yield "a schedule cannot be started by hand"


def _plain(event: str, value: Any) -> Any:
    if event == "schedule":
        return [each["cron"] for each in value]
    return set((value or {}).get("inputs", {})) if event == "workflow_dispatch" else value


def _jobs(name: str, workflow: Workflow) -> Iterator[str]:
    if {job: each.get("permissions") for job, each in workflow.jobs.items()} != PERMISSIONS.get(
        name
    ):
        yield "the permissions of its jobs are not those of the table"
    if name in UNTRUSTED and "secrets." in workflow.text:
        yield "code of a pull request could see a secret"
    for job, each in workflow.jobs.items():
        minutes = each.get("timeout-minutes")
        if not isinstance(minutes, int) or minutes > LONGEST_MINUTES:
            yield f"{job} has no time-out of at most {LONGEST_MINUTES} minutes"
        if each["runs-on"] != LABEL:
            yield f"{job} does not run on {LABEL}"
        if each.get("env"):
            yield f"{job} gives every step an environment"
        for step in each["steps"]:
            yield from step_problems(step)


def step_problems(step: dict[str, Any]) -> Iterator[str]:
    """What is wrong in one step, of a workflow or of a composite action."""
    if "${{" in step.get("run", ""):
        yield "an expression stands inside a script"
    checkout = step.get("uses", "").startswith("actions/checkout@")
    if checkout and (step.get("with") or {}).get("persist-credentials") is not False:
        yield "a checkout leaves its token behind"


def pin_problems(text: str) -> Iterator[str]:
    """Actions that are not pinned by the commit of a known release, with its tag beside it."""
    for line in text.splitlines():
        if not re.match(r"\s*(- )?uses: (?!\./)", line):
            continue
        match = USES.search(line)
        known = PINS.get("/".join(match["action"].split("/")[:2])) if match else None
        if match is None or known != (match["tag"], match["commit"]):
            yield f"not pinned as the table says: {line.strip()}"


def _ignores(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if "zizmor: ignore" in line and not re.search(r"zizmor: ignore\[[\w,-]+\] \w+ \w+", line):
            yield f"a finding is ignored without a reason: {line.strip()}"
