"""Caches as tar files at the stand-in; `.venv` is always there and is this checkout's."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from runner_side import ask, fail, given, is_true, output, workspace

READY = "venv-"


def restore() -> str | None:
    """Unpack the cache that fits; returns its key."""
    key = given("key")
    if key.startswith(READY):
        _link_environment(workspace() / given("path").strip())
        _tell(key, key)
        return key
    rest = [line.strip() for line in given("restore-keys").splitlines() if line.strip()]
    query = {
        "keys": json.dumps([key, *rest]),
        "paths": given("path"),
        "ref": os.environ["GITHUB_REF"],
        "base": f"refs/heads/{os.environ.get('GITHUB_BASE_REF') or 'main'}",
    }
    status, headers, content = ask("GET", "caches", query)
    found = headers.get("X-Key") if status == 200 else None
    if found is None and is_true("fail-on-cache-miss"):
        fail(f"Failed to restore cache entry: {key}")
    if found is not None and not is_true("lookup-only"):
        _unpack(content)
    _tell(key, found)
    return found


def save() -> None:
    """Keep the paths under the key; a key that is there stays as it is."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number, path in enumerate(_targets()):
            if path.exists():
                archive.add(path, arcname=str(number))
    query = {"key": given("key"), "ref": os.environ["GITHUB_REF"], "paths": given("path")}
    ask("POST", "caches", query, content.getvalue())


def _unpack(content: bytes) -> None:
    """Each job has another workspace here: what was in one comes back in the other."""
    targets = _targets()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            number, _, rest = member.name.partition("/")
            member.name = os.path.join(str(targets[int(number)]), rest)
            archive.extract(member, "/", filter="fully_trusted")


def _targets() -> list[Path]:
    lines = [line.strip() for line in given("path").splitlines() if line.strip()]
    home = os.environ["HOME"]
    return [Path(os.path.normpath(workspace() / line.replace("~", home, 1))) for line in lines]


def _tell(key: str, found: str | None) -> None:
    output("cache-hit", "true" if found == key else "false" if found else "")
    output("cache-primary-key", key)
    output("cache-matched-key", found or "")


def _link_environment(target: Path) -> None:
    """A folder of links: `python` finds its environment there, and Git sees a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for each in Path(os.environ["STANDIN_VENV"]).iterdir():
        if not (target / each.name).exists():
            (target / each.name).symlink_to(each)
