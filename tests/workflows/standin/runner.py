"""What the stubs of the actions ask: artifacts of the same run, and caches.

Not GitHub's API: the real actions use services that only runners reach.
"""

from __future__ import annotations

import json
from typing import Any

from tests.workflows.standin.actions import add_artifact
from tests.workflows.standin.hub import APP, Document, Hub, Token, now

Served = tuple[int, dict[str, str], bytes]


def serve(hub: Hub, method: str, path: str, query: dict[str, str], body: bytes) -> Served:
    """Answer a stub."""
    with hub.lock:
        return _SERVICES[method, path.removeprefix("/_runner/")](hub, query, body)


def _upload(hub: Hub, query: dict[str, str], body: bytes) -> Served:
    run_id, name = int(query["run"]), query["name"]
    same = [each for each in _of_run(hub, run_id) if each["name"] == name]
    if same and query["overwrite"] != "true":
        return _json(409, {"message": f"an artifact {name} exists already in this run"})
    for each in same:
        del hub.artifacts[each["id"]]
    made = add_artifact(hub, run_id, name, body)
    return _json(201, {"id": made["id"], "digest": made["digest"]})


def _list(hub: Hub, query: dict[str, str], _body: bytes) -> Served:
    found = [{"id": each["id"], "name": each["name"]} for each in _of_run(hub, int(query["run"]))]
    return _json(200, found)


def _of_run(hub: Hub, run_id: int) -> list[Document]:
    live = [each for each in hub.artifacts.values() if not each["expired"]]
    return [each for each in live if each["run_id"] == run_id]


def _download(hub: Hub, query: dict[str, str], _body: bytes) -> Served:
    return 200, {}, bytes(hub.artifacts[int(query["id"])]["file"].read_bytes())


def _save(hub: Hub, query: dict[str, str], body: bytes) -> Served:
    """A key is written once for each branch, as on GitHub."""
    there = [each for each in hub.caches if each["key"] == query["key"]]
    if any(each["ref"] == query["ref"] for each in there):
        return _json(409, {"message": "the key exists already"})
    path = hub.folder / "caches" / str(hub.next_id())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    hub.caches.append({**query, "file": path, "at": now()})
    return _json(201, {})


def _restore(hub: Hub, query: dict[str, str], _body: bytes) -> Served:
    """The exact key, else the newest that begins with a restore key; own branch, then main."""
    keys = json.loads(query["keys"])
    for ref in dict.fromkeys([query["ref"], query["base"], "refs/heads/main"]):
        visible = [each for each in hub.caches if each["ref"] == ref]
        visible = [each for each in visible if each["paths"] == query["paths"]]
        for number, key in enumerate(keys):
            for each in reversed(visible):
                if each["key"] == key or (number and each["key"].startswith(key)):
                    return 200, {"X-Key": each["key"]}, bytes(each["file"].read_bytes())
    return _json(404, {})


def _app_token(hub: Hub, query: dict[str, str], _body: bytes) -> Served:
    name = f"ghs_app{hub.next_id()}"
    permissions = dict(query)
    hub.tokens[name] = Token(APP, permissions or {"contents": "write", "pull-requests": "write"})
    return _json(201, {"token": name})


def _json(status: int, document: Any) -> Served:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


_SERVICES = {
    ("POST", "artifacts"): _upload,
    ("GET", "artifacts"): _list,
    ("GET", "artifact"): _download,
    ("POST", "caches"): _save,
    ("GET", "caches"): _restore,
    ("POST", "app-token"): _app_token,
}
