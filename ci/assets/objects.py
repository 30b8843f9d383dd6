"""Which DVC objects a model's data consists of, and DVC's cache as a place for them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.dvc_file import entries, mappings, stages
from ci.errors import MlopsError
from ci.files import read_yaml_quickly
from ci.pipeline.dvc import environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.repository import Repository

DIRECTORY = ".dir"


@dataclass(frozen=True)
class DataObject:
    """A file of a dataset as DVC recorded it; ``made`` says that a stage can make it again."""

    path: str
    md5: str
    made: bool


def objects_of(repository: Repository, models: Iterable[str]) -> list[DataObject]:
    """Every recorded file of the datasets that ``models`` read, and of what those are made from."""
    return objects_in(repository, _datasets(repository, models))


def objects_in(repository: Repository, datasets: Iterable[str]) -> list[DataObject]:
    """Every file of ``datasets`` that DVC has recorded, by its ``.dvc`` files and ``dvc.lock``."""
    found = []
    for dataset in sorted(datasets):
        folder = repository.data_dir / dataset
        for file in sorted(folder.rglob("*.dvc")):
            found += _outs(repository, file.parent, read_yaml_quickly(file), made=False)
        lock = read_yaml_quickly(folder / "dvc.lock")
        for stage in stages(lock):
            found += _outs(repository, folder, stage, made=True)
    return found


def _outs(
    repository: Repository, folder: Path, record: dict[str, Any], *, made: bool
) -> list[DataObject]:
    return [
        DataObject(repository.relative(folder / out["path"]), str(out["md5"]), made)
        for out in mappings(entries(record, "outs"))
        if out.get("md5") and isinstance(out.get("path"), str)
    ]


def _datasets(repository: Repository, models: Iterable[str]) -> set[str]:
    """Datasets that ``models``, those they depend on, and those datasets themselves read."""
    waiting = [repository.models_dir / model for model in models]
    seen: set[Path] = set()
    while waiting:
        folder = waiting.pop()
        if folder in seen or not folder.is_dir():
            continue
        seen.add(folder)
        contract = read_yaml_quickly(folder / "model.yaml")
        waiting += [repository.data_dir / str(name) for name in entries(contract, "datasets")]
        waiting += [repository.models_dir / str(name) for name in entries(contract, "depends_on")]
        waiting += _read_by_stages(repository, folder)
    return {folder.name for folder in seen if folder.parent == repository.data_dir}


def _read_by_stages(repository: Repository, folder: Path) -> list[Path]:
    pipeline = read_yaml_quickly(folder / "dvc.yaml")
    deps = [str(dep) for stage in stages(pipeline) for dep in entries(stage, "deps")]
    found = []
    for dep in deps:
        parts = Path(repository.relative(folder / dep)).parts
        if len(parts) > 2 and parts[0] in ("data", "models"):
            found.append(repository.root / parts[0] / parts[1])
    return found


class Cache:
    """DVC's cache of a checkout."""

    def __init__(self, repository: Repository) -> None:
        from dvc.repo import Repo

        with Repo(str(repository.root)) as repo:
            self._root = Path(repo.cache.local.path)

    def path(self, md5: str) -> Path:
        """Where the object ``md5`` lies, or would."""
        return self._root / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        """Whether the object is there, with all files where it is a directory."""
        if not self.path(md5).is_file():
            return False
        return all(self.path(each).is_file() for each in self.entries(md5))

    def entries(self, md5: str) -> list[str]:
        """The objects of the files in the directory ``md5``; none for a file."""
        if not md5.endswith(DIRECTORY):
            return []
        try:
            return [str(each["md5"]) for each in json.loads(self.path(md5).read_bytes())]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def put(self, md5: str, file: Path) -> None:
        """Move ``file`` to where DVC looks for ``md5``.

        Raises:
            MlopsError: ``damaged_data`` where its content is another.
        """
        require_md5(md5, file)
        target = self.path(md5)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)


def require_md5(md5: str, file: Path) -> None:
    """Refuse ``file`` where its content is not what the name ``md5`` says.

    Raises:
        MlopsError: ``damaged_data``.
    """
    if file_md5(file) != md5.removesuffix(DIRECTORY):
        raise MlopsError("damaged_data", f"{md5[:50]} has another content; it was not taken.")


def file_md5(path: Path) -> str:
    """DVC's digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_out(repository: Repository, objects: Iterable[DataObject]) -> None:
    """Let DVC put the files that its cache has into the work tree, where they are missing.

    Raises:
        MlopsError: ``checkout_failed`` with DVC's last line.
    """
    paths = [each.path for each in objects if not (repository.root / each.path).exists()]
    if not paths:
        return
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "checkout", "-q", "--allow-missing", *paths],
        cwd=repository.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise MlopsError("checkout_failed", f"DVC could not put {paths[0]} in place: {lines[-1]}")
