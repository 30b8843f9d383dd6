"""Releases and their assets."""

from __future__ import annotations

import hashlib
import re

from tests.workflows.standin.calls import (
    Answer,
    Call,
    Page,
    Redirect,
    answers,
    not_found,
)
from tests.workflows.standin.hub import Document, Hub, Refusal, now
from tests.workflows.standin.people import user

BODY_CHARACTERS = 125_000
NAME = re.compile(r"[A-Za-z0-9._+@-]+")


def release(hub: Hub, each: Document) -> Document:
    """A release as the API shows it."""
    address = f"{hub.url}/repos/{hub.full_name}/releases/{each['id']}"
    assets = [asset(hub, one) for one in hub.assets.values() if one["release"] == each["id"]]
    return {
        **{key: each[key] for key in ("id", "tag_name", "target_commitish", "name", "body")},
        **{key: each[key] for key in ("draft", "prerelease", "created_at", "published_at")},
        "author": user(hub, each["login"]),
        "assets": assets,
        "url": address,
        "html_url": f"{hub.url}/{hub.full_name}/releases/tag/{each['tag_name']}",
        "assets_url": f"{address}/assets",
        "upload_url": f"{hub.url}/_uploads/repos/{hub.full_name}/releases/{each['id']}/assets"
        "{?name,label}",
    }


def asset(hub: Hub, each: Document) -> Document:
    """An asset as the API shows it."""
    url = f"{hub.url}/repos/{hub.full_name}/releases/assets/{each['id']}"
    tag = hub.releases[each["release"]]["tag_name"]
    return {
        **{key: each[key] for key in ("id", "name", "size", "digest", "state", "content_type")},
        "label": None,
        "download_count": 0,
        "created_at": each["created_at"],
        "updated_at": each["created_at"],
        "uploader": user(hub, each["login"]),
        "url": url,
        "browser_download_url": f"{hub.url}/{hub.full_name}/releases/download/{tag}/{each['name']}",
    }


def _release(hub: Hub, call: Call) -> Document:
    found = hub.releases.get(call.params["release_id"])
    if found is None:
        raise not_found()
    return found


@answers("repos/list-releases", "contents:read")
def list_releases(hub: Hub, call: Call) -> tuple[int, Answer]:
    drafts = call.token.may("contents", "write")
    found = [each for each in reversed(hub.releases.values()) if drafts or not each["draft"]]
    return 200, Page([release(hub, each) for each in found])


@answers("repos/create-release", "contents:write")
def create_release(hub: Hub, call: Call) -> tuple[int, Answer]:
    body = call.body
    tag, target = body["tag_name"], body.get("target_commitish", "main")
    _check_body(body.get("body"))
    published = [each["tag_name"] for each in hub.releases.values() if not each["draft"]]
    if tag in published:
        detail = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
        raise Refusal(422, "Validation Failed", [detail])
    if hub.commit_of(f"refs/tags/{tag}") is None and not body.get("draft"):
        commit = hub.commit_of(target)
        if commit is None:
            detail = {"resource": "Release", "code": "invalid", "field": "target_commitish"}
            raise Refusal(422, "Validation Failed", [detail])
        hub.git("tag", tag, commit)
    number = hub.next_id()
    hub.releases[number] = {
        "id": number,
        "tag_name": tag,
        "target_commitish": target,
        "name": body.get("name", tag),
        "body": body.get("body"),
        "draft": body.get("draft", False),
        "prerelease": body.get("prerelease", False),
        "login": call.token.login,
        "created_at": now(),
        "published_at": None if body.get("draft") else now(),
    }
    return 201, release(hub, hub.releases[number])


def _check_body(text: str | None) -> None:
    if text is not None and len(text) > BODY_CHARACTERS:
        message = f"body is too long (maximum is {BODY_CHARACTERS} characters)"
        raise Refusal(422, "Validation Failed", [{"message": message}])


@answers("repos/get-release", "contents:read")
def get_release(hub: Hub, call: Call) -> tuple[int, Answer]:
    return 200, release(hub, _release(hub, call))


@answers("repos/get-release-by-tag", "contents:read")
def get_release_by_tag(hub: Hub, call: Call) -> tuple[int, Answer]:
    for each in hub.releases.values():
        if each["tag_name"] == call.params["tag"] and not each["draft"]:
            return 200, release(hub, each)
    raise not_found()


@answers("repos/update-release", "contents:write")
def update_release(hub: Hub, call: Call) -> tuple[int, Answer]:
    each = _release(hub, call)
    _check_body(call.body.get("body"))
    changes: Document = {
        key: call.body[key] for key in ("name", "body", "draft") if key in call.body
    }
    if each["draft"] and changes.get("draft") is False:
        each["published_at"] = now()
        if hub.commit_of(f"refs/tags/{each['tag_name']}") is None:
            hub.git("tag", each["tag_name"], str(hub.commit_of(each["target_commitish"])))
    each.update(changes)
    return 200, release(hub, each)


@answers("repos/list-release-assets", "contents:read")
def list_assets(hub: Hub, call: Call) -> tuple[int, Answer]:
    number = _release(hub, call)["id"]
    return 200, Page(
        [asset(hub, each) for each in hub.assets.values() if each["release"] == number]
    )


def _asset(hub: Hub, call: Call) -> Document:
    found = hub.assets.get(call.params["asset_id"])
    if found is None:
        raise not_found()
    return found


@answers("repos/get-release-asset", "contents:read")
def get_asset(hub: Hub, call: Call) -> tuple[int, Answer]:
    each = _asset(hub, call)
    if "application/octet-stream" not in call.accept:
        return 200, asset(hub, each)
    if each["state"] != "uploaded":
        raise not_found()
    return 302, Redirect(each["file"])


@answers("repos/delete-release-asset", "contents:write")
def delete_asset(hub: Hub, call: Call) -> tuple[int, Answer]:
    del hub.assets[_asset(hub, call)["id"]]
    return 204, None


@answers("repos/upload-release-asset", "contents:write")
def upload_asset(hub: Hub, call: Call) -> tuple[int, Answer]:
    release_id, name = _release(hub, call)["id"], call.query["name"]
    if not NAME.fullmatch(name):
        raise Refusal(400, f"GitHub would rename {name!r}: use letters, digits and . _ + @ -")
    if not call.content:
        raise Refusal(400, "Bad Content-Length: an asset may not be empty")
    if any(each["release"] == release_id and each["name"] == name for each in hub.assets.values()):
        detail = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
        raise Refusal(422, "Validation Failed", [detail])
    return 201, asset(hub, add_asset(hub, release_id, name, call.content, call.token.login))


def add_asset(
    hub: Hub, release_id: int, name: str, content: bytes, login: str, state: str = "uploaded"
) -> Document:
    """Keep the content of an asset; ``state`` open is an upload that broke off."""
    number = hub.next_id()
    path = hub.folder / "assets" / str(number)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    hub.assets[number] = {
        "id": number,
        "release": release_id,
        "name": name,
        "file": path,
        "size": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "state": state,
        "content_type": "application/octet-stream",
        "login": login,
        "created_at": now(),
    }
    return hub.assets[number]
