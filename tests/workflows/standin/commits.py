"""Commits, their statuses, and the pull requests of a commit."""

from __future__ import annotations

from tests.workflows.standin.calls import Answer, Call, Page, answers, not_found
from tests.workflows.standin.hub import Document, Hub, Refusal, now
from tests.workflows.standin.people import repository, user
from tests.workflows.standin.pulls import simple

DESCRIPTION_CHARACTERS = 140


@answers("repos/create-commit-status", "statuses:write")
def create_status(hub: Hub, call: Call) -> tuple[int, Answer]:
    sha = call.params["sha"]
    if hub.commit_of(sha) != sha:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    description = call.body.get("description")
    if description and len(description) > DESCRIPTION_CHARACTERS:
        raise Refusal(422, "Validation Failed", [{"message": "description is too long"}])
    status = {
        "id": hub.next_id(),
        "sha": sha,
        "context": call.body.get("context") or "default",
        "state": call.body["state"],
        "description": description,
        "target_url": call.body.get("target_url"),
        "created_at": now(),
        "updated_at": now(),
        "creator": user(hub, call.token.login),
        "url": f"{hub.url}/repos/{hub.full_name}/statuses/{sha}",
    }
    hub.statuses.append(status)
    return 201, {key: each for key, each in status.items() if key != "sha"}


def latest(hub: Hub, sha: str) -> dict[str, Document]:
    """Context → its newest status of a commit."""
    return {each["context"]: each for each in hub.statuses if each["sha"] == sha}


@answers("repos/get-combined-status-for-ref", "statuses:read", "contents:read")
def combined(hub: Hub, call: Call) -> tuple[int, Answer]:
    sha = hub.commit_of(call.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    kept = ("id", "context", "state", "description", "target_url", "created_at", "updated_at")
    found = [
        {**{key: each[key] for key in kept}, "url": each["url"]}
        for each in latest(hub, sha).values()
    ]
    states = {each["state"] for each in found}
    bad = states & {"failure", "error"}
    state = "failure" if bad else "success" if states == {"success"} else "pending"
    more = {"state": state, "sha": sha, "repository": repository(hub)}
    return 200, Page(found, "statuses", more)


@answers("repos/list-pull-requests-associated-with-commit", "pull-requests:read", "contents:read")
def pulls_of_commit(hub: Hub, call: Call) -> tuple[int, Answer]:
    """Pull requests that brought a commit of this repository in; none for a fork's commit."""
    sha = call.params["commit_sha"]
    found = [each for each in hub.pulls.values() if _brought(hub, each, sha)]
    return 200, Page([simple(hub, each) for each in found])


def _brought(hub: Hub, pull: Document, sha: str) -> bool:
    if pull["merged_at"]:
        listed = hub.git("rev-list", f"{pull['base_sha']}..{pull['merge_commit_sha']}")
        return sha in listed.split()
    if pull["head_owner"] != hub.owner:
        return False
    listed = hub.git("rev-list", f"{pull['base_ref']}..refs/pull/{pull['number']}/head")
    return sha in listed.split()


@answers("repos/get-commit", "contents:read")
def get_commit(hub: Hub, call: Call) -> tuple[int, Answer]:
    sha = hub.commit_of(call.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    return 200, _commit(hub, sha)


@answers("pulls/list-commits", "pull-requests:read")
def list_commits(hub: Hub, call: Call) -> tuple[int, Answer]:
    pull = hub.pulls.get(call.params["pull_number"])
    if pull is None:
        raise not_found()
    since = f"{pull['base_sha']}..refs/pull/{pull['number']}/head"
    return 200, Page([_commit(hub, sha) for sha in hub.git("rev-list", "--reverse", since).split()])


def _commit(hub: Hub, sha: str) -> Document:
    """A commit; whoever is no collaborator and no known person has no account."""
    shown = hub.git("show", "-s", "--format=%P%n%an%n%ae%n%aI%n%cn%n%T%n%s", sha).splitlines()
    parents, name, email, date, committer, tree, subject = shown
    address = f"{hub.url}/repos/{hub.full_name}/commits/{sha}"
    who = {"name": name, "email": email, "date": date}
    return {
        "sha": sha,
        "node_id": sha[:12],
        "url": address,
        "html_url": f"{hub.url}/{hub.full_name}/commit/{sha}",
        "comments_url": f"{address}/comments",
        "author": user(hub, name) if email.endswith("@example.com") else None,
        "committer": user(hub, committer) if email.endswith("@example.com") else None,
        "parents": [{"sha": each, "url": address} for each in parents.split()],
        "commit": {
            "author": who,
            "committer": who,
            "message": subject,
            "comment_count": 0,
            "tree": {"sha": tree, "url": address},
            "url": address,
        },
    }
