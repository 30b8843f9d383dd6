"""Runs, jobs, artifacts and dispatches."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from tests.workflows.standin.calls import Answer, Call, Page, Redirect, answers, not_found
from tests.workflows.standin.hub import Document, Hub, Refusal, now
from tests.workflows.standin.people import repository, user

WORKFLOWS = ".github/workflows"
RETENTION = timedelta(days=90)


def run(hub: Hub, each: Document) -> Document:
    """A run as the API and the event `workflow_run` show it."""
    page = f"{hub.url}/{hub.full_name}/actions/runs/{each['id']}"
    address = f"{hub.url}/repos/{hub.full_name}/actions/runs/{each['id']}"
    actor = user(hub, each["actor"])
    return {
        "id": each["id"],
        "name": each["name"],
        "path": each["path"],
        "display_title": each["name"],
        "workflow_id": workflow_id(each["path"]),
        "event": each["event"],
        "status": each["status"],
        "conclusion": each["conclusion"],
        "head_branch": each["head_branch"],
        "head_sha": each["head_sha"],
        "head_repository": repository(hub, each["head_owner"]),
        "head_commit": None,
        "repository": repository(hub),
        "pull_requests": [_pull_of_run(hub, number) for number in each["pulls"]],
        "run_number": 1,
        "run_attempt": each["attempt"],
        "created_at": each["created_at"],
        "updated_at": each["updated_at"],
        "run_started_at": each["created_at"],
        "actor": actor,
        "triggering_actor": actor,
        "url": address,
        "html_url": page,
        "jobs_url": f"{address}/jobs",
        "artifacts_url": f"{address}/artifacts",
    }


def workflow_id(path: str) -> int:
    """The number of the workflow in a file."""
    return int(hashlib.sha256(path.encode()).hexdigest()[:7], 16)


def _pull_of_run(hub: Hub, number: int) -> Document:
    pull = hub.pulls[number]
    short = {"id": 1, "name": hub.name, "url": f"{hub.url}/repos/{hub.full_name}"}
    return {
        "id": pull["id"],
        "number": number,
        "url": f"{hub.url}/repos/{hub.full_name}/pulls/{number}",
        "head": {
            "ref": pull["head_ref"],
            "sha": hub.git("rev-parse", f"refs/pull/{number}/head"),
            "repo": short,
        },
        "base": {"ref": pull["base_ref"], "sha": pull["base_sha"], "repo": short},
    }


def _run(hub: Hub, call: Call) -> Document:
    found = hub.runs.get(call.params["run_id"])
    if found is None:
        raise not_found()
    return found


@answers("actions/get-workflow-run", "actions:read")
def get_run(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, run(hub, _run(hub, call))


@answers("actions/list-workflow-runs-for-repo", "actions:read")
def list_runs(hub: Hub, call: Call) -> tuple[int, Answer]:
    found = [each for each in reversed(hub.runs.values()) if _asked(each, call.query)]
    return 200, Page([run(hub, each) for each in found], "workflow_runs")


@answers("actions/list-workflow-runs", "actions:read")
def list_runs_of_workflow(hub: Hub, call: Call) -> tuple[int, Answer]:
    path = _path(hub, str(call.params["workflow_id"]))
    every = [each for each in reversed(hub.runs.values()) if each["path"] == path]
    found = [each for each in every if _asked(each, call.query)]
    return 200, Page([run(hub, each) for each in found], "workflow_runs")


def _asked(each: Document, query: dict[str, str]) -> bool:
    fields = {"actor": "actor", "branch": "head_branch", "event": "event", "head_sha": "head_sha"}
    same = all(query.get(key) in (None, each[field]) for key, field in fields.items())
    status = query.get("status")
    created = query.get("created", "").removeprefix(">=")
    return (
        same
        and status in (None, each["status"], each["conclusion"])
        and (each["created_at"] >= created)
    )


def _path(hub: Hub, name: str) -> str:
    """The path of a workflow on the default branch, by file name or number."""
    listed = hub.git("ls-tree", "--name-only", "main", f"{WORKFLOWS}/").splitlines()
    for path in listed:
        if name in (Path(path).name, str(workflow_id(path))):
            return path
    raise not_found()


@answers("actions/list-repo-workflows", "actions:read")
def list_workflows(hub: Hub, _call: Call) -> tuple[int, Answer]:
    listed = hub.git("ls-tree", "--name-only", "main", f"{WORKFLOWS}/").splitlines()
    found = [
        {
            "id": workflow_id(path),
            "path": path,
            "name": yaml.safe_load(hub.git("show", f"main:{path}"))["name"],
            "state": hub.switched_off.get(Path(path).name, "active"),
            "created_at": hub.workflows_since,
        }
        for path in listed
    ]
    return 200, Page(found, "workflows")


@answers("actions/list-jobs-for-workflow-run", "actions:read")
def list_jobs(hub: Hub, call: Call) -> tuple[int, Answer]:
    found = [each for each in hub.jobs if each["run_id"] == _run(hub, call)["id"]]
    return 200, Page(found, "jobs")


@answers("actions/create-workflow-dispatch", "actions:write")
def dispatch(hub: Hub, call: Call) -> tuple[int, Answer]:
    path = _path(hub, str(call.params["workflow_id"]))
    ref = call.body["ref"].removeprefix("refs/heads/")
    if hub.commit_of(f"refs/heads/{ref}") is None:
        raise Refusal(422, f"No ref found for: {ref}")
    source = yaml.safe_load(hub.git("show", f"{ref}:{path}"))
    triggers = source.get("on", source.get(True))
    if "workflow_dispatch" not in triggers:
        raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
    declared = (triggers["workflow_dispatch"] or {}).get("inputs", {})
    inputs = call.body.get("inputs", {})
    unknown = sorted(set(inputs) - set(declared))
    if unknown:
        raise Refusal(422, f"Unexpected inputs provided: {unknown}")
    made = {"path": path, "ref": ref, "inputs": inputs, "login": call.token.login}
    hub.dispatches.append(made)
    return 204, None


@answers("repos/create-dispatch-event", "contents:write")
def dispatch_event(hub: Hub, call: Call) -> tuple[int, Answer]:
    hub.asked_for.append({**call.body, "login": call.token.login})
    return 204, None


def artifact(hub: Hub, each: Document) -> Document:
    """An artifact as the API shows it."""
    address = f"{hub.url}/repos/{hub.full_name}/actions/artifacts/{each['id']}"
    of = hub.runs[each["run_id"]]
    return {
        **{key: each[key] for key in ("id", "name", "size_in_bytes", "expired", "digest")},
        "created_at": each["created_at"],
        "updated_at": each["created_at"],
        "expires_at": each["expires_at"],
        "url": address,
        "archive_download_url": f"{address}/zip",
        "workflow_run": {
            "id": of["id"],
            "repository_id": repository(hub)["id"],
            "head_repository_id": repository(hub, of["head_owner"])["id"],
            "head_branch": of["head_branch"],
            "head_sha": of["head_sha"],
        },
    }


def add_artifact(hub: Hub, run_id: int, name: str, content: bytes) -> Document:
    """Keep the zip of a run."""
    number = hub.next_id()
    path = hub.folder / "artifacts" / f"{number}.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    expires = (datetime.now(UTC) + RETENTION).strftime("%Y-%m-%dT%H:%M:%SZ")
    hub.artifacts[number] = {
        "id": number,
        "run_id": run_id,
        "name": name,
        "file": path,
        "size_in_bytes": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "expired": False,
        "created_at": now(),
        "expires_at": expires,
    }
    return hub.artifacts[number]


def _artifact(hub: Hub, call: Call) -> Document:
    found = hub.artifacts.get(call.params["artifact_id"])
    if found is None:
        raise not_found()
    return found


@answers("actions/list-workflow-run-artifacts", "actions:read")
def list_artifacts_of_run(hub: Hub, call: Call) -> tuple[int, Answer]:
    name, run_id = call.query.get("name"), _run(hub, call)["id"]
    found = [
        artifact(hub, each)
        for each in reversed(hub.artifacts.values())
        if each["run_id"] == run_id and name in (None, each["name"])
    ]
    return 200, Page(found, "artifacts")


@answers("actions/list-artifacts-for-repo", "actions:read")
def list_artifacts(hub: Hub, call: Call) -> tuple[int, Answer]:
    name = call.query.get("name")
    found = [each for each in reversed(hub.artifacts.values()) if name in (None, each["name"])]
    return 200, Page([artifact(hub, each) for each in found], "artifacts")


@answers("actions/get-artifact", "actions:read")
def get_artifact(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, artifact(hub, _artifact(hub, call))


@answers("actions/download-artifact", "actions:read")
def download_artifact(hub: Hub, call: Call) -> tuple[int, Answer]:
    found = _artifact(hub, call)
    if call.params["archive_format"] != "zip":
        raise not_found()
    if found["expired"]:
        raise Refusal(410, "Artifact has expired")
    return 302, Redirect(found["file"])
