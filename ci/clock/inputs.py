"""Tables that a pipeline writes and the clock reads: what is not here is made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.busy import in_turn
from ci.contract.dataset import load_dataset
from ci.contract.model import load_model_contract
from ci.dataset.ready import ensure_valid
from ci.errors import MlopsError
from ci.pipeline.dvc import reproduce
from ci.toolchain import require

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


def ensure_tables(repository: Repository, name: str, tables: list[str]) -> list[Path]:
    """The paths of ``tables`` (relative to the model's folder), after its pipeline has run.

    DVC takes what it has in its cache, so that nothing is trained where nothing has changed.

    Raises:
        MlopsError: ``missing_toolchain``, ``bad_data``, ``pipeline_failed`` or ``missing_output``.
    """
    contract = load_model_contract(repository, name)
    folder = repository.model_dir(name)
    for dataset in contract.datasets:
        ensure_valid(repository, dataset)
    require(contract.language)
    with in_turn(repository, "pipeline"):
        log = repository.state_dir / "logs" / f"tables-{name}.log"
        reproduce(repository, f"models/{name}/dvc.yaml", log)
    for table in tables:
        if not (folder / table).is_file():
            raise MlopsError(
                "missing_output",
                f"The pipeline of {name} did not write models/{name}/{table}; let a stage of "
                "dvc.yaml write it, or name another file in model.yaml.",
            )
    return [folder / table for table in tables]


def ensure_dataset(repository: Repository, name: str, table: str | None) -> Path:
    """The path of the dataset's ``table`` (its only one, where none is named), checked.

    Raises:
        MlopsError: ``bad_data``, and what `bring_dataset` raises.
    """
    path = bring_dataset(repository, name, table)
    ensure_valid(repository, name)
    return path


def bring_dataset(repository: Repository, name: str, table: str | None) -> Path:
    """The same, unchecked.

    Raises:
        MlopsError: ``unknown_dataset``, ``unknown_table``, ``checkout_failed``,
            ``pipeline_failed``, or ``missing_data`` where it is stored nowhere.
    """
    from ci.assets.objects import check_out, objects_in

    dataset = load_dataset(repository, name)
    folder = repository.data_dir / name
    if table is None and len(dataset.tables) == 1:
        table = next(iter(dataset.tables))
    if table not in dataset.tables:
        raise MlopsError(
            "unknown_table",
            f"The dataset {name} has the tables {', '.join(dataset.tables)}; let batch.input.table "
            "in model.yaml name one of them.",
        )
    path = folder / dataset.tables[table].file
    if not path.is_file():
        check_out(repository, objects_in(repository, [name]))
    if not path.is_file() and (folder / "dvc.yaml").is_file():
        with in_turn(repository, "pipeline"):
            log = repository.state_dir / "logs" / f"dataset-{name}.log"
            reproduce(repository, f"data/{name}/dvc.yaml", log)
    if not path.is_file():
        raise MlopsError(
            "missing_data",
            f"{repository.relative(path)} is not here; bring it with `mlops restore`, and try "
            "again.",
        )
    return path
