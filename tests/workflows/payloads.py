"""What GitHub sends with an event."""

from __future__ import annotations

from typing import Any

from tests.workflows.standin.actions import run as run_document
from tests.workflows.standin.actions import workflow_id
from tests.workflows.standin.description import fill, operations
from tests.workflows.standin.hub import Document, Hub
from tests.workflows.standin.issues import issue as issue_document
from tests.workflows.standin.people import repository, user
from tests.workflows.standin.pulls import whole


def _filled(operation: str, document: Document) -> Document:
    schema = next(each for each in operations() if each.name == operation).answers["200"]
    filled: Document = fill(schema, document)
    return filled


def _common(hub: Hub, sender: str) -> Document:
    return {
        "repository": _filled("repos/get", repository(hub)),
        "sender": user(hub, sender),
    }


def pull_request(hub: Hub, number: int, action: str) -> Document:
    """`pull_request`: a new one, or a newer push."""
    pull = hub.pulls[number]
    more: Document = {}
    if action == "synchronize":
        more = {"after": hub.git("rev-parse", f"refs/pull/{number}/head")}
    return {
        **_common(hub, pull["author"]),
        "action": action,
        "number": number,
        "pull_request": _filled("pulls/get", whole(hub, pull)),
        **more,
    }


def workflow_run(hub: Hub, run: Document, action: str) -> Document:
    """`workflow_run`: of another workflow, requested, in progress or completed."""
    return {
        **_common(hub, run["actor"]),
        "action": action,
        "workflow": {
            "id": workflow_id(run["path"]),
            "name": run["name"],
            "path": run["path"],
            "state": "active",
        },
        "workflow_run": _filled("actions/get-workflow-run", run_document(hub, run)),
    }


def push(hub: Hub, before: str, after: str, sender: str) -> Document:
    """`push` to main."""
    listed = hub.git("log", "--format=%H%x00%s", f"{before}..{after}").splitlines()
    commits = [dict(zip(("id", "message"), line.split("\0"), strict=True)) for line in listed]
    return {
        **_common(hub, sender),
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": commits[::-1],
        "head_commit": commits[0] if commits else None,
        "pusher": {"name": sender},
    }


def dispatch(hub: Hub, path: str, ref: str, inputs: dict[str, Any], sender: str) -> Document:
    """`workflow_dispatch`: every input is there, as text."""
    whole_ref = f"refs/heads/{ref}"
    return {**_common(hub, sender), "inputs": inputs, "ref": whole_ref, "workflow": path}


def repository_dispatch(hub: Hub, name: str, sender: str) -> Document:
    """`repository_dispatch`: what a machine asks for."""
    return {**_common(hub, sender), "action": name, "branch": "main", "client_payload": None}


def schedule(hub: Hub, cron: str) -> Document:
    """`schedule`."""
    return {**_common(hub, hub.owner), "schedule": cron}


def issues(hub: Hub, number: int, action: str, label: str | None) -> Document:
    """`issues`: opened or labeled."""
    each = hub.issues[number]
    shown = _filled("issues/get", issue_document(hub, each))
    more = {"label": hub.labels[label]} if label else {}
    return {**_common(hub, each["author"]), "action": action, "issue": shown, **more}
