"""The tables of a dataset, brought to this checkout: from GitHub, or made by their stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.assets.data import DataStore
from ci.assets.objects import Cache, check_out, objects_in
from ci.contract.dataset import dataset_dir, load_dataset
from ci.errors import MlopsError
from ci.pipeline.dvc import reproduce

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.repository import Repository


def bring_dataset(repository: Repository, github: GitHub, dataset: str, after: str) -> None:
    """Fetch the tables, or let the dataset's stage make them.

    ``after`` says what a person does once they have stored data that is stored nowhere.

    Raises:
        MlopsError: ``unknown_dataset``, ``bad_dataset``, ``no_data``, or what DVC says.
    """
    load_dataset(repository, dataset)
    objects, cache = objects_in(repository, [dataset]), Cache(repository)
    lost = DataStore(repository, github).bring(cache, {each.md5 for each in objects})
    check_out(repository, [each for each in objects if each.md5 not in lost])
    if any(each.md5 in lost and not each.made for each in objects):
        raise MlopsError(
            "no_data",
            f"The data of data/{dataset} is stored nowhere; whoever has it types "
            f"`mlops data push {dataset}`, and then {after}.",
        )
    make_dataset(repository, dataset)


def make_dataset(repository: Repository, dataset: str, *options: str) -> None:
    """Run the stage of ``dataset``, where it has one; ``options`` are those of `dvc repro`.

    Raises:
        MlopsError: ``pipeline_failed``.
    """
    if (dataset_dir(repository, dataset) / "dvc.yaml").is_file():
        log = repository.state_dir / "logs" / f"dataset-{dataset}.log"
        reproduce(repository, f"data/{dataset}/dvc.yaml", log, *options)
