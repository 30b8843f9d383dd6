"""Data on its way into the store: pushed by a person, or laid by for a release that names it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ci.assets.data import DataStore
from ci.assets.objects import Cache, DataObject, objects_in, objects_of
from ci.contract.dataset import dataset_dir
from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.repository import Repository


def push_data(repository: Repository, github: GitHub, dataset: str) -> list[str]:
    """Store the files of ``dataset`` that this checkout has and no release holds; returns them.

    Raises:
        MlopsError: ``unknown_dataset``; ``nothing_to_push`` where DVC tracks nothing of it or what
            it tracks is not here; what GitHub says, such as that the token may not write.
    """
    dataset_dir(repository, dataset)
    objects = objects_in(repository, [dataset])
    cache = Cache(repository)
    absent = [each.path for each in objects if not cache.has(each.md5)]
    if absent or not objects:
        what = absent[0] if absent else f"data/{dataset}"
        raise MlopsError(
            "nothing_to_push",
            f"DVC's cache has no content of {what}; track it (mlops data add, dvc add, dvc repro) "
            "on the machine that has it, and push from there.",
        )
    md5s = [md5 for each in objects for md5 in (each.md5, *cache.entries(each.md5))]
    branch = str(github.get(github.repo)["default_branch"])
    return DataStore(repository, github).store({md5: cache.path(md5) for md5 in md5s}, branch)


def lay_by(repository: Repository, github: GitHub, model: str, folder: Path) -> None:
    """Copy the objects of the model's data that are stored nowhere yet into ``folder``.

    What this checkout lacks is made again by its stage.

    Raises:
        MlopsError: ``lost_data`` where no stage makes it; ``data_differs`` where a stage now makes
            something else; what the stage says.
    """
    objects = objects_of(repository, [model])
    if not objects:
        return
    cache, store = Cache(repository), DataStore(repository, github)
    new = [each for each in objects if not store.has(each.md5)]
    _make(repository, cache, [each for each in new if not cache.has(each.md5)])
    wanted = {md5 for each in new for md5 in (each.md5, *cache.entries(each.md5))}
    for md5 in sorted(md5 for md5 in wanted if not store.has(md5)):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cache.path(md5), folder / md5)


def _make(repository: Repository, cache: Cache, absent: list[DataObject]) -> None:
    from ci.pipeline.dvc import reproduce

    for each in absent:
        if not each.made:
            raise MlopsError(
                "lost_data",
                f"{each.path} is neither here nor stored, and no stage makes it; whoever has it "
                f"types: mlops data push {each.path.split('/')[1]}",
            )
    for dataset in sorted({each.path.split("/")[1] for each in absent}):
        log = repository.state_dir / "logs" / f"data-{dataset}.log"
        reproduce(repository, f"data/{dataset}/dvc.yaml", log)
    for each in absent:
        if not cache.has(each.md5):
            raise MlopsError(
                "data_differs",
                f"The stage of {each.path} no longer makes what its dvc.lock records; run "
                "`dvc repro` there and bring the new dvc.lock to main by a pull request.",
            )
