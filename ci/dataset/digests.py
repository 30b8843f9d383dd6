"""The declared version of a dataset, read from the committed DVC files without DVC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.contract.dataset import dataset_dir
from ci.errors import MlopsError
from ci.yaml_file import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


def digests(repository: Repository, name: str) -> dict[str, str]:
    """File (relative to the dataset's folder) → MD5, from `dvc.lock` and `*.dvc`, sorted by file.

    Raises:
        MlopsError: ``unknown_dataset``; ``untracked_data`` where no DVC file declares a version.
    """
    folder = dataset_dir(repository, name)
    found = {**_of_lock(repository, folder), **_of_dvc_files(repository, folder)}
    if not found:
        raise MlopsError(
            "untracked_data",
            f"DVC does not know the files of data/{name} yet: run 'dvc repro' in it, or bring "
            "the file in with 'mlops data add FILE --name NAME'.",
        )
    return dict(sorted(found.items()))


def _of_lock(repository: Repository, folder: Path) -> dict[str, str]:
    path = folder / "dvc.lock"
    if not path.is_file():
        return {}
    stages = _mapping(read_yaml(path, repository.relative(path)).data).get("stages")
    outs = [out for stage in _mapping(stages).values() for out in _mapping(stage).get("outs", [])]
    return {str(out["path"]): str(out["md5"]) for out in outs if "md5" in out}


def _of_dvc_files(repository: Repository, folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*.dvc")):
        outs = _mapping(read_yaml(path, repository.relative(path)).data).get("outs", [])
        for out in outs:
            found[(path.parent / out["path"]).relative_to(folder).as_posix()] = str(out["md5"])
    return found


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
