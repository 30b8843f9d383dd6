"""The data that a release names, laid by until it is stored for good."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ci.assets.data import DataStore
from ci.assets.objects import Cache, DataObject, objects_of
from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.repository import Repository


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
    cache, store = Cache(repository), DataStore(github)
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
                "types: mlops data push",
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
