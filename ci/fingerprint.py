"""The fingerprint of a candidate: a digest of all that determines it.

It is computed from the checkout alone, without training, so that a pull request and the merged
main can be compared. Data enters by the digests that DVC has recorded, not by its content.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentos
import ci
from ci.dvc_file import entries, mappings, stages
from ci.files import file_digest, read_yaml_quickly

if TYPE_CHECKING:
    from ci.repository import Repository

LENGTH = 40
IGNORED_NAMES = ("README.md", "dvc.lock", ".gitignore", ".dvcignore")
GENERATED_DIRS = ("__pycache__",)
LOCKS = ("serving.txt", "platform.txt")
LOCKS_DIR = Path(ci.__file__).parent / "locks"
RUNNERS_DIR = Path(bentos.__file__).parent


@dataclass(frozen=True)
class Platform:
    """The platform's own share of a fingerprint: what this process runs, or another checkout's."""

    locks: Path = LOCKS_DIR
    runners: Path = RUNNERS_DIR

    @classmethod
    def of(cls, root: Path) -> Platform:
        """The platform in the checkout ``root``."""
        return cls(root / "ci" / "locks", root / "bentos")


RUNNING = Platform()


def fingerprint(repository: Repository, name: str, platform: Platform = RUNNING) -> str:
    """The fingerprint of model ``name`` as it stands in the working tree: 40 hex digits."""
    text = json.dumps(inputs(repository, name, platform), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def inputs(repository: Repository, name: str, platform: Platform = RUNNING) -> dict[str, str]:
    """All that determines the candidate: path or word → digest."""
    folder = repository.model_dir(name)
    pipeline = read_yaml_quickly(folder / "dvc.yaml")
    found = {repository.relative(path): file_digest(path) for path in source_files(folder)}
    for dep in _outside_deps(pipeline, f"models/{name}"):
        found[dep] = _dep_digest(repository, dep, platform)
    for lock in LOCKS:
        path = platform.locks / lock
        found[f"lock {lock}"] = file_digest(path) if path.is_file() else ""
    found["runners"] = _runner_digest(platform.runners)
    return found


def source_files(folder: Path) -> list[Path]:
    """Files of a model's folder that people write: no outputs of its pipeline, no card."""
    outputs = pipeline_outputs(read_yaml_quickly(folder / "dvc.yaml"))
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_generated(path.relative_to(folder), outputs)
    ]


def _is_generated(path: Path, outputs: set[str]) -> bool:
    parts = [Path(*path.parts[: end + 1]).as_posix() for end in range(len(path.parts))]
    return (
        path.name in IGNORED_NAMES
        or path.suffix == ".pyc"
        or any(part in GENERATED_DIRS for part in path.parts)
        or any(part in outputs for part in parts)
    )


def pipeline_outputs(pipeline: dict[str, Any]) -> set[str]:
    """Paths that the stages of a parsed ``dvc.yaml`` write, relative to its folder."""
    found: set[str] = set()
    for stage in stages(pipeline):
        for kind in ("outs", "metrics", "plots"):
            for out in entries(stage, kind):
                path = next(iter(out), "") if isinstance(out, dict) else out
                found.add(posixpath.normpath(str(path)))
    return found


def _outside_deps(pipeline: dict[str, Any], folder: str) -> list[str]:
    """Dependencies outside the model's folder, as paths from the root."""
    deps = {str(dep) for stage in stages(pipeline) for dep in entries(stage, "deps")}
    paths = {posixpath.normpath(posixpath.join(folder, dep)) for dep in deps}
    return sorted(path for path in paths if not path.startswith(f"{folder}/"))


def _dep_digest(repository: Repository, dep: str, platform: Platform) -> str:
    parts = dep.split("/")
    if parts[0] == "models" and len(parts) > 2 and parts[1] in repository.model_names():
        return fingerprint(repository, parts[1], platform)
    recorded = recorded_digest(repository.root, dep)
    if recorded is not None:
        return recorded
    path = repository.root / dep
    return file_digest(path) if path.is_file() else ""


def recorded_digest(root: Path, path: str) -> str | None:
    """DVC's recorded digest of a tracked file, from the ``dvc.lock`` or ``.dvc`` file near it."""
    file = root / path
    tracked = read_yaml_quickly(file.with_name(f"{file.name}.dvc"))
    for out in mappings(entries(tracked, "outs")):
        if out.get("path") == file.name:
            return str(out.get("md5"))
    for folder in file.parents:
        lock = read_yaml_quickly(folder / "dvc.lock")
        for stage in stages(lock):
            for out in mappings(entries(stage, "outs")):
                if folder / str(out.get("path")) == file:
                    return str(out.get("md5"))
        if folder == root:
            break
    return None


def _runner_digest(folder: Path) -> str:
    """The runners decide how a candidate predicts, so they belong to its fingerprint."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".R", ".jl", ".html"):
            digest.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()
