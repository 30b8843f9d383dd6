"""Issues, their comments and labels; a pull request is an issue too."""

from __future__ import annotations

from tests.workflows.standin.calls import Answer, Call, Page, answers, check_length, not_found
from tests.workflows.standin.hub import Document, Hub, Refusal, now
from tests.workflows.standin.people import user

READ = ("issues:read", "pull-requests:read")
WRITE = ("issues:write", "pull-requests:write")


def issue(hub: Hub, each: Document) -> Document:
    """An issue as the API shows it."""
    number = each["number"]
    url = f"{hub.url}/repos/{hub.full_name}/issues/{number}"
    kind = "pull" if each["pull"] else "issues"
    shown: Document = {
        "id": each["id"],
        "number": number,
        "title": each["title"],
        "body": each["body"],
        "state": each["state"],
        "state_reason": each["state_reason"],
        "user": user(hub, each["author"]),
        "labels": [_label(hub, name) for name in each["labels"]],
        "comments": sum(comment["number"] == number for comment in hub.comments),
        "created_at": each["created_at"],
        "updated_at": each.get("updated_at", each["created_at"]),
        "closed_at": None,
        "url": url,
        "html_url": f"{hub.url}/{hub.full_name}/{kind}/{number}",
        "author_association": "MEMBER",
    }
    if each["pull"]:
        page = f"{hub.url}/{hub.full_name}/pull/{number}"
        address = f"{hub.url}/repos/{hub.full_name}/pulls/{number}"
        files = {"diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
        shown["pull_request"] = {"url": address, "html_url": page, **files}
    return shown


def open_issue(hub: Hub, author: str, title: str, body: str | None, labels: list[str]) -> Document:
    """Remember a new issue; labels that nobody made yet are made."""
    for name in labels:
        hub.labels.setdefault(name, _new_label(hub, name))
    number = hub.next_number()
    hub.issues[number] = {
        "number": number,
        "id": hub.next_id(),
        "title": title,
        "body": body,
        "author": author,
        "labels": list(labels),
        "state": "open",
        "state_reason": None,
        "pull": False,
        "created_at": now(),
    }
    return hub.issues[number]


def _new_label(
    hub: Hub, name: str, color: str = "ededed", description: str | None = None
) -> Document:
    return {
        "id": hub.next_id(),
        "name": name,
        "color": color,
        "description": description,
        "default": False,
    }


def _label(hub: Hub, name: str) -> Document:
    return {**hub.labels[name], "url": f"{hub.url}/repos/{hub.full_name}/labels/{name}"}


def comment(hub: Hub, each: Document) -> Document:
    """A comment as the API shows it."""
    base = f"{hub.url}/repos/{hub.full_name}/issues"
    page = f"{hub.url}/{hub.full_name}/issues/{each['number']}"
    return {
        "id": each["id"],
        "body": each["body"],
        "user": user(hub, each["login"]),
        "created_at": each["created_at"],
        "updated_at": each["updated_at"],
        "url": f"{base}/comments/{each['id']}",
        "html_url": f"{page}#issuecomment-{each['id']}",
        "issue_url": f"{base}/{each['number']}",
        "author_association": "MEMBER",
    }


def add_comment(hub: Hub, number: int, login: str, body: str) -> Document:
    """Remember a new comment."""
    made = {
        "id": hub.next_id(),
        "number": number,
        "login": login,
        "body": body,
        "created_at": now(),
        "updated_at": now(),
    }
    hub.comments.append(made)
    return made


def _issue(hub: Hub, call: Call, level: str) -> Document:
    """The issue that is asked for, if the token may: the other scope does not count."""
    each = hub.issues.get(call.params["issue_number"])
    if each is None:
        raise not_found()
    _require(call, each, level)
    return each


def _require(call: Call, each: Document, level: str) -> None:
    may_issue = call.token.may("issues", level)
    may_pull = bool(each["pull"]) and call.token.may("pull-requests", level)
    if not (may_issue or may_pull):
        raise Refusal(403, "Resource not accessible by integration")


@answers("issues/list-for-repo", *READ)
def list_issues(hub: Hub, call: Call) -> tuple[int, Answer]:
    state = call.query.get("state", "open")
    labels = set(filter(None, call.query.get("labels", "").split(",")))
    creator = call.query.get("creator")
    found = [
        each
        for each in reversed(hub.issues.values())
        if state in ("all", each["state"])
        and labels <= set(each["labels"])
        and creator in (None, each["author"])
        and (each["pull"] or call.token.may("issues", "read"))
    ]
    return 200, Page([issue(hub, each) for each in found])


@answers("issues/create", "issues:write")
def create_issue(hub: Hub, call: Call) -> tuple[int, Answer]:
    body = call.body
    check_length(body.get("body"))
    labels = [each if isinstance(each, str) else each["name"] for each in body.get("labels", [])]
    made = open_issue(hub, call.token.login, str(body["title"]), body.get("body"), labels)
    return 201, issue(hub, made)


@answers("issues/get", *READ)
def get_issue(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, issue(hub, _issue(hub, call, "read"))


@answers("issues/update", *WRITE)
def update_issue(hub: Hub, call: Call) -> tuple[int, Answer]:
    each = _issue(hub, call, "write")
    check_length(call.body.get("body"))
    each["updated_at"] = now()
    for key in ("title", "body", "state", "state_reason"):
        if key in call.body:
            each[key] = call.body[key]
    if each["state"] == "open":
        each["state_reason"] = None
    if "labels" in call.body:
        _set_labels(hub, each, call.body["labels"])
    return 200, issue(hub, each)


def _set_labels(hub: Hub, each: Document, labels: list[str]) -> None:
    for name in labels:
        hub.labels.setdefault(name, _new_label(hub, name))
    each["labels"] = list(labels)


@answers("issues/list-comments", *READ)
def list_comments(hub: Hub, call: Call) -> tuple[int, Answer]:
    number = _issue(hub, call, "read")["number"]
    return 200, Page([comment(hub, each) for each in hub.comments if each["number"] == number])


@answers("issues/create-comment", *WRITE)
def create_comment(hub: Hub, call: Call) -> tuple[int, Answer]:
    number = _issue(hub, call, "write")["number"]
    check_length(call.body["body"])
    return 201, comment(hub, add_comment(hub, number, call.token.login, call.body["body"]))


def _comment(hub: Hub, call: Call, level: str) -> Document:
    for each in hub.comments:
        if each["id"] == call.params["comment_id"]:
            _require(call, hub.issues[each["number"]], level)
            return each
    raise not_found()


@answers("issues/get-comment", *READ)
def get_comment(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, comment(hub, _comment(hub, call, "read"))


@answers("issues/update-comment", *WRITE)
def update_comment(hub: Hub, call: Call) -> tuple[int, Answer]:
    each = _comment(hub, call, "write")
    check_length(call.body["body"])
    each.update(body=call.body["body"], updated_at=now())
    return 200, comment(hub, each)


@answers("issues/delete-comment", *WRITE)
def delete_comment(hub: Hub, call: Call) -> tuple[int, Answer]:
    hub.comments.remove(_comment(hub, call, "write"))
    return 204, None


@answers("issues/add-labels", *WRITE)
def add_labels(hub: Hub, call: Call) -> tuple[int, Answer]:
    each = _issue(hub, call, "write")
    _set_labels(hub, each, [*dict.fromkeys([*each["labels"], *call.body["labels"]])])
    return 200, [_label(hub, name) for name in each["labels"]]


@answers("issues/list-labels-for-repo", *READ)
def list_labels(hub: Hub, _call: Call) -> tuple[int, Answer]:
    return 200, Page([_label(hub, name) for name in hub.labels])


@answers("issues/create-label", *WRITE)
def create_label(hub: Hub, call: Call) -> tuple[int, Answer]:
    name = call.body["name"]
    if name in hub.labels:
        raise Refusal(422, "Validation Failed", [{"resource": "Label", "code": "already_exists"}])
    color, description = call.body.get("color", "ededed"), call.body.get("description")
    hub.labels[name] = _new_label(hub, name, color, description)
    return 201, _label(hub, name)
