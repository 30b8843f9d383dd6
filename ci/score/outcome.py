"""What a finished run was, in figures: for its report, and for the next run to compare with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.files import read_json, write_json
from ci.score.facts import best, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ci.score.facts import Facts
    from ci.score.job import Plan
    from ci.score.parts import Part

HISTORY = "scores"
REMEMBERED = 60


@dataclass(frozen=True)
class Outcome:
    """A whole run. Times are ISO in UTC; ``top`` and ``bottom`` hold ``[prediction, cells]``."""

    key: str
    model: str
    version: int | None
    source: str
    target: str
    started: str
    seconds: float
    rows: int
    written: int
    bad: int
    facts: Facts
    top: list[Any]
    bottom: list[Any]
    contract: dict[str, Any]


def make_outcome(
    plan: Plan, parts: Sequence[Part], target: Path, begin: float, seconds: float
) -> Outcome:
    """The figures of all parts as those of the run."""
    return Outcome(
        key=plan.key,
        model=plan.model,
        version=plan.version,
        source=plan.source,
        target=str(target),
        started=datetime.fromtimestamp(begin, UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        rows=plan.rows,
        written=sum(part.written for part in parts),
        bad=sum(part.bad for part in parts),
        facts=merged([part.facts for part in parts if part.written]),
        top=best([row for part in parts for row in part.top], highest=True),
        bottom=best([row for part in parts for row in part.bottom], highest=False),
        contract=plan.contract,
    )


def last_outcome(folder: Path, outcome: Outcome) -> Outcome | None:
    """The newest run of the model before ``outcome`` that was not the same work."""
    return next(
        (
            found
            for found in remembered(folder)
            if found.key != outcome.key and found.started <= outcome.started
        ),
        None,
    )


def remembered(folder: Path) -> Iterator[Outcome]:
    """The runs of the model, newest first."""
    for path in sorted((folder / HISTORY).glob("*.json"), reverse=True):
        try:
            yield Outcome(**(read_json(path) or {}))
        except TypeError:  # written by another version of the platform
            continue


def remember(folder: Path, outcome: Outcome) -> None:
    """Keep the run for the next one; the oldest are forgotten."""
    name = f"{outcome.started.replace(':', '')}-{outcome.key[:8]}.json"
    write_json(folder / HISTORY / name, json.loads(json.dumps(asdict(outcome), default=str)))
    for path in sorted((folder / HISTORY).glob("*.json"))[:-REMEMBERED]:
        path.unlink(missing_ok=True)
