"""Caches as tar files at the stand-in; `.venv` is always there.

It is this checkout's, with the packages of the job's own lock and no others.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from runner_side import ask, fail, given, is_true, output, workspace

READY = "venv-"


def restore() -> str | None:
    """Unpack the cache that fits; returns its key."""
    key = given("key")
    if key.startswith(READY):
        _link_environment(workspace() / given("path").strip(), key.split("-")[1])
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


def _link_environment(target: Path, lock: str) -> None:
    """A folder of links: `python` finds its environment there, and Git sees a folder."""
    target.mkdir(parents=True, exist_ok=True)
    source = Path(os.environ["STANDIN_VENV"])
    for name in ("bin", "pyvenv.cfg"):
        _link(target / name, source / name)
    packages = next(source.glob("lib/python3*/site-packages"))
    place = target / packages.relative_to(source)
    place.mkdir(parents=True, exist_ok=True)
    for name in _parts(packages, workspace() / "ci" / "locks" / f"{lock}.txt"):
        _link(place / name, packages / name)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists() and target.exists():
        link.symlink_to(target)


def _parts(packages: Path, lock: Path) -> list[str]:
    """What the packages of ``lock`` have put side by side into ``packages``; looked up once."""
    content = lock.read_bytes()
    known = Path(os.environ["STANDIN_PACKAGES"], hashlib.sha256(content).hexdigest())
    if not known.exists():
        names = set(re.findall(r"^([a-z0-9-]+)==", content.decode(), re.MULTILINE))
        draft = known.with_suffix(f".{os.getpid()}")
        draft.write_text("\n".join(_put_there(packages, names)))
        draft.replace(known)
    return known.read_text().splitlines()


def _put_there(packages: Path, names: set[str]) -> Iterator[str]:
    from importlib.metadata import distributions

    for each in distributions(path=[str(packages)]):
        if re.sub(r"[-_.]+", "-", each.name).lower() in names:
            top = {file.parts[0] for file in each.files or ()}
            yield from sorted(top - {"..", "__pycache__"})
