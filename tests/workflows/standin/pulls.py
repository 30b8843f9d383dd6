"""Pull requests and reviews."""

from __future__ import annotations

from tests.workflows.standin.calls import Answer, Call, Page, answers, check_length, not_found
from tests.workflows.standin.hub import Document, Hub, Refusal, now
from tests.workflows.standin.people import repository, user

LETTERS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "T": "changed"}


def open_pull(
    hub: Hub,
    *,
    head_owner: str,
    head_ref: str,
    base_ref: str,
    author: str,
    title: str,
    body: str | None,
    draft: bool = False,
) -> Document:
    """Remember a new pull request, and its head in `refs/pull/N/head`."""
    number = hub.next_number()
    pull: Document = {
        "number": number,
        "id": hub.next_id(),
        "title": title,
        "body": body,
        "author": author,
        "state": "open",
        "draft": draft,
        "head_owner": head_owner,
        "head_ref": head_ref,
        "base_ref": base_ref,
        "base_sha": hub.commit_of(f"refs/heads/{base_ref}"),
        "merged_at": None,
        "merge_commit_sha": None,
        "requested": [],
        "created_at": now(),
    }
    hub.pulls[number] = pull
    hub.issues[number] = {
        "number": number,
        "id": hub.next_id(),
        "title": title,
        "body": body,
        "author": author,
        "labels": [],
        "state": "open",
        "state_reason": None,
        "pull": True,
        "created_at": now(),
    }
    refresh_head(hub, pull)
    return pull


def refresh_head(hub: Hub, pull: Document) -> None:
    """Follow the branch of the pull request; a fork's commits come over."""
    branch = f"refs/heads/{pull['head_ref']}"
    source = str(hub.repository_of(pull["head_owner"]))
    hub.git("fetch", "-q", source, f"+{branch}:refs/pull/{pull['number']}/head")
    refresh_merge(hub, pull["number"])


def refresh_heads(hub: Hub) -> None:
    """Follow every branch of an open pull request that was pushed to."""
    for pull in hub.pulls.values():
        now_there = hub.commit_of(f"refs/heads/{pull['head_ref']}", pull["head_owner"])
        if pull["state"] == "open" and now_there not in (None, head_sha(hub, pull)):
            refresh_head(hub, pull)


def refresh_merge(hub: Hub, number: int) -> str | None:
    """Main and the pull request together, in `refs/pull/N/merge`; None where they conflict."""
    commit = merge_commit(hub, number, f"Merge pull request {number}")
    if commit is not None:
        hub.git("update-ref", f"refs/pull/{number}/merge", commit)
    return commit


def merge_commit(hub: Hub, number: int, message: str, *, squash: bool = False) -> str | None:
    """The commit that would bring a pull request into main; nothing points to it yet."""
    base, head = f"refs/heads/{hub.pulls[number]['base_ref']}", f"refs/pull/{number}/head"
    try:
        tree = hub.git("merge-tree", "--write-tree", base, head)
    except Refusal:
        return None
    parents = ["-p", base, *([] if squash else ["-p", head])]
    return hub.git("commit-tree", tree, *parents, "-m", message)


def head_sha(hub: Hub, pull: Document) -> str:
    """The newest commit of a pull request."""
    return hub.git("rev-parse", f"refs/pull/{pull['number']}/head")


def simple(hub: Hub, pull: Document) -> Document:
    """A pull request as lists show it."""
    number, head = pull["number"], head_sha(hub, pull)
    whose = pull["head_owner"]
    return {
        "id": pull["id"],
        "number": number,
        "title": pull["title"],
        "body": pull["body"],
        "state": pull["state"],
        "draft": pull["draft"],
        "locked": False,
        "user": user(hub, pull["author"]),
        "created_at": pull["created_at"],
        "updated_at": pull["created_at"],
        "closed_at": pull["merged_at"],
        "merged_at": pull["merged_at"],
        "merge_commit_sha": pull["merge_commit_sha"],
        "html_url": f"{hub.url}/{hub.full_name}/pull/{number}",
        "url": f"{hub.url}/repos/{hub.full_name}/pulls/{number}",
        "labels": [],
        "requested_reviewers": [user(hub, each) for each in pull["requested"]],
        "requested_teams": [],
        "head": {
            "label": f"{whose}:{pull['head_ref']}",
            "ref": pull["head_ref"],
            "sha": head,
            "user": user(hub, whose),
            "repo": repository(hub, whose),
        },
        "base": {
            "label": f"{hub.owner}:{pull['base_ref']}",
            "ref": pull["base_ref"],
            "sha": _base_sha(hub, pull),
            "user": user(hub, hub.owner),
            "repo": repository(hub),
        },
        "author_association": "CONTRIBUTOR",
        "auto_merge": None,
    }


def _base_sha(hub: Hub, pull: Document) -> str:
    if pull["merged_at"]:
        return str(pull["base_sha"])
    return hub.git("rev-parse", f"refs/heads/{pull['base_ref']}")


def whole(hub: Hub, pull: Document) -> Document:
    """A pull request as its own page shows it."""
    merged = pull["merged_at"] is not None
    changes = {
        "merged": merged,
        "mergeable": None if merged else True,
        "merged_by": None,
        "changed_files": len(_files(hub, pull)),
    }
    return {**simple(hub, pull), **changes}


def _files(hub: Hub, pull: Document) -> list[Document]:
    head = head_sha(hub, pull)
    base = hub.git("merge-base", _base_sha(hub, pull), head)
    listed = hub.git("diff", "--name-status", "-M", "-z", base, head).split("\0")
    parts = iter(each for each in listed if each)
    found = []
    for letters in parts:
        status = LETTERS[letters[0]]
        previous = {"previous_filename": next(parts)} if status == "renamed" else {}
        found.append({"filename": next(parts), "status": status, "sha": None, **previous})
    return found


def _pull(hub: Hub, call: Call) -> Document:
    pull = hub.pulls.get(call.params["pull_number"])
    if pull is None:
        raise not_found()
    return pull


@answers("pulls/list", "pull-requests:read")
def list_pulls(hub: Hub, call: Call) -> tuple[int, Answer]:
    state = call.query.get("state", "open")
    found = [
        each
        for each in reversed(hub.pulls.values())
        if state in ("all", each["state"])
        and call.query.get("head") in (None, f"{each['head_owner']}:{each['head_ref']}")
        and call.query.get("base") in (None, each["base_ref"])
    ]
    return 200, Page([simple(hub, each) for each in found])


@answers("pulls/get", "pull-requests:read")
def get_pull(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, whole(hub, _pull(hub, call))


@answers("pulls/create", "pull-requests:write")
def create_pull(hub: Hub, call: Call) -> tuple[int, Answer]:
    body = call.body
    check_length(body.get("body"))
    owner, _, branch = body["head"].rpartition(":")
    owner = owner or hub.owner
    if "title" not in body:
        raise _invalid("missing_field: title")
    if hub.commit_of(f"refs/heads/{branch}", owner) is None:
        raise _invalid("head is invalid")
    if hub.commit_of(f"refs/heads/{body['base']}") is None:
        raise _invalid("base is invalid")
    for each in hub.pulls.values():
        same = (each["head_owner"], each["head_ref"], each["base_ref"])
        if each["state"] == "open" and same == (owner, branch, body["base"]):
            raise _invalid(f"A pull request already exists for {owner}:{branch}.")
    if owner == hub.owner and not hub.git("rev-list", f"{body['base']}..{branch}"):
        raise _invalid(f"No commits between {body['base']} and {branch}")
    pull = open_pull(
        hub,
        head_owner=owner,
        head_ref=branch,
        base_ref=body["base"],
        author=call.token.login,
        title=body["title"],
        body=body.get("body"),
        draft=body.get("draft", False),
    )
    return 201, whole(hub, pull)


def _invalid(message: str) -> Refusal:
    return Refusal(422, "Validation Failed", [{"resource": "PullRequest", "message": message}])


@answers("pulls/update", "pull-requests:write")
def update_pull(hub: Hub, call: Call) -> tuple[int, Answer]:
    pull = _pull(hub, call)
    check_length(call.body.get("body"))
    for key in ("title", "body", "state"):
        if key in call.body:
            pull[key] = hub.issues[pull["number"]][key] = call.body[key]
    return 200, whole(hub, pull)


@answers("pulls/list-files", "pull-requests:read")
def list_files(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, Page(_files(hub, _pull(hub, call)))


@answers("pulls/list-reviews", "pull-requests:read")
def list_reviews(hub: Hub, call: Call) -> tuple[int, Answer]:
    number = _pull(hub, call)["number"]
    found = [each for each in hub.reviews if each["number"] == number]
    return 200, Page(
        [
            {
                **{key: each[key] for key in ("id", "state", "body", "commit_id", "submitted_at")},
                "user": user(hub, each["login"]),
                "author_association": "MEMBER",
            }
            for each in found
        ]
    )


@answers("pulls/request-reviewers", "pull-requests:write")
def request_reviewers(hub: Hub, call: Call) -> tuple[int, Answer]:
    pull = _pull(hub, call)
    for login in call.body.get("reviewers", []):
        if login == pull["author"]:
            raise Refusal(422, "Review cannot be requested from pull request author.")
        if login not in hub.collaborators:
            text = "Reviews may only be requested from collaborators."
            raise Refusal(422, f"{text} One or more of the users or teams you specified is not.")
        if login not in pull["requested"]:
            pull["requested"].append(login)
    if call.body.get("team_reviewers"):
        raise Refusal(422, "Could not resolve to a node: this repository belongs to a person.")
    return 201, simple(hub, pull)
