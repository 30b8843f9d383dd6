"""Labels that the dataset has already."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from ci.clock.inputs import ensure_dataset
from ci.label.shape import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from ci.label.shape import Shape
    from ci.repository import Repository


def labels_table(repository: Repository, shape: Shape) -> Path | None:
    """The table of the newest version, checked; None where there is no version yet.

    Raises:
        MlopsError: what `ensure_dataset` raises.
    """
    if not (repository.data_dir / shape.dataset / "dataset.yaml").is_file():
        return None
    return ensure_dataset(repository, shape.dataset, TABLE)


def labelled(repository: Repository, shape: Shape) -> dict[str, dict[str, str]]:
    """Row's name to its inputs and label, as text."""
    path = labels_table(repository, shape)
    if path is None:
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {line[shape.row]: line for line in csv.DictReader(file)}
