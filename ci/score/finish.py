"""The end of a run: each part once, the checks that no row is lost, the output and its report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.score.outcome import Outcome, make_outcome
from ci.score.writing import Source, join, quarantine_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.score.job import Plan
    from ci.score.parts import Folder


@dataclass(frozen=True)
class Scored:
    """Rows written, rows set aside, wall-clock seconds, the version that predicted, and paths.

    Of a shard there is only the folder ``output``; of a whole run ``quarantine`` is None where no
    row was bad.
    """

    rows: int
    quarantined: int
    seconds: float
    version: int | None
    output: str
    quarantine: str | None
    report: str | None
    spreadsheet: str | None


def sources(plan: Plan, folders: Sequence[Folder], wanted: range) -> list[Source]:
    """Each wanted part once, in order, and the check that no row is lost or doubled.

    Raises:
        MlopsError: ``bad_shards``, ``lost_rows``.
    """
    sources = []
    for index in wanted:
        found = [(folder, part) for folder in folders if (part := folder.part(index))]
        if not found:
            raise MlopsError(
                "bad_shards",
                f"Rows {plan.first_row(index):,} and on of {plan.source} are in none of the "
                "shards; score the shard that is missing or damaged again.",
            )
        part = found[0][1]
        if not part.written + part.bad == part.rows == plan.rows_of(index):
            raise MlopsError(
                "lost_rows",
                f"{plan.source}: {part.rows:,} rows were read, {part.written:,} written and "
                f"{part.bad:,} set aside, where there are {plan.rows_of(index):,}; nothing was "
                "written; report this, it is a defect of the platform.",
            )
        sources.append(found[0])
    return sources


def finish(
    plan: Plan, sources: Sequence[Source], target: Path, state: Path, begin: float
) -> Scored:
    """Join ``sources`` to ``target``, where not too many rows are bad, and report.

    Raises:
        MlopsError: ``bad_rows``, ``damaged_part``.
    """
    bad = sum(part.bad for _, part in sources)
    if bad > plan.most_bad_rows:
        raise MlopsError(
            "bad_rows",
            f"{plan.source}: {bad:,} rows break the contract of {plan.model}, and "
            f"batch.max_bad_rows allows {plan.most_bad_rows:,}; nothing was written.",
        )
    join(sources, plan, target)
    seconds = round(time.time() - begin, 3)
    outcome = make_outcome(plan, [part for _, part in sources], target, begin, seconds)
    report, spreadsheet = _report(outcome, state)
    return Scored(
        rows=outcome.written,
        quarantined=bad,
        seconds=seconds,
        version=plan.version,
        output=str(target),
        quarantine=str(quarantine_path(target)) if bad else None,
        report=report,
        spreadsheet=spreadsheet,
    )


def _report(outcome: Outcome, state: Path) -> tuple[str | None, str | None]:
    """The paths of the report; the output is written already, whatever happens here."""
    from ci.score.report import write_reports

    try:
        page, sheet = write_reports(outcome, state / "reports" / outcome.model)
    except OSError as error:
        say(f"{outcome.target} is written; its report could not be: {error.strerror or error}")
        return None, None
    return str(page), str(sheet)
