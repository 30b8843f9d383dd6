"""What the next run's report compares itself with, on whichever machine it runs.

It lies on the state branch, as `batch/MODEL.last.json`: figures only, no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ci.contract.base import Contract
from ci.files import read_json, write_json
from ci.score.outcome import HISTORY, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


class Amounts(Contract):
    """The distribution of an output that is an amount."""

    count: int
    mean: float | None
    quantiles: Annotated[list[float], Field(max_length=1000)]


class Labels(Contract):
    """How often each label was predicted."""

    count: int
    labels: Annotated[dict[str, int], Field(max_length=1000)]


class Last(Contract):
    """A finished run without its rows."""

    key: str
    model: str
    version: int | None
    started: str
    seconds: float
    rows: int
    written: int
    bad: int
    facts: dict[str, Amounts | Labels]


def as_last(outcome: Outcome) -> Last:
    """The figures of ``outcome``."""
    return Last(**{name: getattr(outcome, name) for name in Last.model_fields})


def keep_last(state: Path, model: str, last: Last) -> None:
    """Write ``last`` to the state at ``state``."""
    write_json(_path(state, model), last.model_dump(mode="json"))


def recall(repository: Repository, state: Path, model: str) -> None:
    """Let the next report of ``model`` find the last run, which was scored elsewhere."""
    record = read_json(_path(state, model))
    if record is None:
        return
    try:
        last = Last.model_validate(record)
    except ValueError:  # written by another version of the platform
        return
    known = {"source": "", "target": "", "top": [], "bottom": [], "contract": {}}
    name = f"{last.started.replace(':', '')}-{last.key[:8]}.json"
    folder = repository.state_dir / "reports" / model / HISTORY
    write_json(folder / name, {**known, **last.model_dump(mode="json")})


def _path(state: Path, model: str) -> Path:
    return state / "batch" / f"{model}.last.json"
