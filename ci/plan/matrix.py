"""The plan as the matrix of a workflow's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.contract.model import PREDICT_FILES
from ci.errors import MlopsError
from ci.files import read_yaml_quickly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.plan.plan import Touched
    from ci.repository import Repository

MOST_JOBS = 256
NO_LANGUAGE = "python"  # the job then says what is wrong with the contract


def matrix(repository: Repository, touched: Iterable[Touched]) -> dict[str, list[dict[str, Any]]]:
    """A job a model: its name, its language and why it is trained.

    Raises:
        MlopsError: ``too_many_models`` where GitHub would refuse the matrix.
    """
    touched = list(touched)
    if len(touched) > MOST_JOBS:
        raise MlopsError(
            "too_many_models",
            f"This change touches {len(touched)} models ({touched[0].reason}), and a run on GitHub "
            f"holds {MOST_JOBS} jobs: split the change; where it is a lock's or a runner's, see "
            "docs/how-to/release-a-model.md.",
        )
    return {
        "include": [
            {
                "model": model.name,
                "language": language_of(repository, model.name),
                "reason": model.reason,
            }
            for model in touched
        ]
    }


def language_of(repository: Repository, name: str) -> str:
    """What the contract of ``name`` says, even where the rest of it is broken."""
    contract = read_yaml_quickly(repository.models_dir / name / "model.yaml")
    language = contract.get("language")
    known = isinstance(language, str) and language in PREDICT_FILES
    return str(language) if known else NO_LANGUAGE
