"""Users, the repository itself, and who may write to it."""

from __future__ import annotations

from tests.workflows.standin.calls import Answer, Call, Page, answers, not_found
from tests.workflows.standin.hub import APP, BOT, Document, Hub

LEVELS = ("pull", "triage", "push", "maintain", "admin")


def user(hub: Hub, login: str) -> Document:
    """A person or a bot."""
    return {
        "login": login,
        "id": 1 + sum(map(ord, login)),
        "type": "Bot" if login in (BOT, APP) or login.endswith("[bot]") else "User",
        "url": f"{hub.url}/users/{login}",
        "html_url": f"{hub.url}/{login}",
        "site_admin": False,
    }


def repository(hub: Hub, owner: str | None = None) -> Document:
    """The repository, or a fork of it."""
    whose = owner or hub.owner
    return {
        "id": 1 + sum(map(ord, whose)),
        "name": hub.name,
        "full_name": f"{whose}/{hub.name}",
        "owner": user(hub, whose),
        "private": True,
        "fork": whose != hub.owner,
        "default_branch": "main",
        "url": f"{hub.url}/repos/{whose}/{hub.name}",
        "html_url": f"{hub.url}/{whose}/{hub.name}",
        "clone_url": f"{hub.url}/{whose}/{hub.name}.git",
    }


@answers("repos/get", "metadata:read")
def get_repository(hub: Hub, _call: Call) -> tuple[int, Answer]:
    return 200, repository(hub)


@answers("repos/list-collaborators", "metadata:read")
def list_collaborators(hub: Hub, call: Call) -> tuple[int, Answer]:
    wanted = call.query.get("permission")
    people = [
        {**user(hub, login), "role_name": _role(level), "permissions": _permissions(level)}
        for login, level in sorted(hub.collaborators.items())
        if wanted is None or _permissions(level)[wanted]
    ]
    return 200, Page(people)


@answers("repos/get-collaborator-permission-level", "metadata:read")
def get_permission(hub: Hub, call: Call) -> tuple[int, Answer]:
    login = call.params["username"]
    level = hub.collaborators.get(login)
    if level is None:
        raise not_found()
    names = {"pull": "read", "triage": "read", "push": "write", "maintain": "write"}
    person = {**user(hub, login), "role_name": _role(level), "permissions": _permissions(level)}
    return 200, {
        "permission": names.get(level, level),
        "role_name": _role(level),
        "user": person,
    }


def _role(level: str) -> str:
    return {"pull": "read", "push": "write"}.get(level, level)


def _permissions(level: str) -> dict[str, bool]:
    return {name: LEVELS.index(name) <= LEVELS.index(level) for name in LEVELS}
