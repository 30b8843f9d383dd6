"""Checks for drift as they are kept, a line each: `.mlops/reports/MODEL/drift-history.jsonl`.

Small jobs read it too, which have no package for numbers.
"""

from __future__ import annotations

import contextlib
from datetime import datetime  # noqa: TC003 (pydantic reads it)
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ci.contract.base import Contract
from ci.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ci.repository import Repository

Kind = Literal["drift", "drift-live", "drift-scored", "drift-watch"]
FILE = "drift-history.jsonl"


class Metric(Contract):
    """One column and method, in the newest chunk that it was measured in."""

    name: str
    """The column, or the metric of the predictions."""
    method: str
    """The method of comparison, a share, `estimated` or `realised`."""
    chunk: str
    """The chunk."""
    until: str | None = None
    """When it ends; None in checks that are older than this line."""
    value: float | None
    """The value there."""
    threshold: float | None
    """Its threshold there."""
    excess: float
    """How far out it lies: 1 is at the threshold."""
    over: bool
    """Whether it is over the threshold."""


class Run(Contract):
    """One check."""

    time: datetime
    """When it was made, in UTC."""
    kind: Kind
    """What was checked: the period, calls (`-live`, `-watch`) or a batch (`-scored`)."""
    version: int | None
    """The version that was checked; None for a candidate."""
    alert: bool
    """Whether it was an alert."""
    raised: bool
    """Whether that was new: not so where the same columns raised one shortly before."""
    columns: list[str]
    """What the alert was about."""
    passed: list[str] = Field(default_factory=list)
    """What was an alert between the check before and this one, and is none any more."""
    headline: str
    """The finding in a sentence."""
    metrics: list[Metric]
    """Each metric."""


def history_file(repository: Repository, model: str) -> Path:
    """Where the runs of ``model`` are kept."""
    return repository.state_dir / "reports" / model / FILE


def read_history(path: Path) -> list[Run]:
    """The runs in ``path``, oldest first; a line that was cut off or written otherwise is none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return list(_runs(lines))


def _runs(lines: Iterable[bytes]) -> Iterator[Run]:
    for line in lines:
        with contextlib.suppress(ValueError):
            yield Run.model_validate_json(line)


def write_history(path: Path, runs: Iterable[Run]) -> None:
    """Write ``runs``, oldest first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = sorted(runs, key=lambda each: each.time)
    write_whole(path, "".join(f"{each.model_dump_json()}\n" for each in kept))
