"""Data is checked once for each state that it and its contract are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.contract.dataset import dataset_dir, load_dataset
from ci.dataset.validate import require_valid
from ci.files import file_digest, read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


def ensure_valid(repository: Repository, name: str) -> None:
    """Refuse to go on with data that breaks its contract; quick where nothing has changed.

    A dataset with a `dvc.yaml` is left to its own stage, which makes the tables and validates
    them; so are missing tables, which DVC brings.

    Raises:
        MlopsError: ``bad_data``; ``unknown_dataset`` and what else `load_dataset` raises.
    """
    folder = dataset_dir(repository, name)
    dataset = load_dataset(repository, name)
    files = [folder / table.file for table in dataset.tables.values()]
    if (folder / "dvc.yaml").is_file() or not all(file.is_file() for file in files):
        return
    record = repository.state_dir / "validated" / f"{name}.json"
    state = _state(folder / "dataset.yaml", files)
    if read_json(record) != state:
        require_valid(repository, name)
        write_json(record, state)


def _state(contract: Path, files: list[Path]) -> dict[str, object]:
    sizes = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return {"contract": file_digest(contract), "files": sizes}
