"""Tables that a pipeline writes and the clock reads: what is not here is made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.busy import in_turn
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
