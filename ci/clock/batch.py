"""Scores one model for one day, into a parcel that a job with the right to write publishes."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.clock.last import as_last, recall
from ci.clock.ledger import read_ledger
from ci.clock.parcel import PARCEL, STEM, Parcel
from ci.errors import MlopsError
from ci.files import file_digest, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from ci.clock.ledger import Entry
    from ci.contract.batch import Kind
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository
    from ci.score import Scored


@dataclass(frozen=True)
class Work:
    """A table to score for a day, with the version that does it; ``digest`` is its SHA-256."""

    servable: Servable
    version: int
    day: date
    source: Path
    shown: str
    digest: str
    kind: Kind


def run_batch(
    repository: Repository, state: Path, name: str, day: date, folder: Path
) -> Parcel | Entry:
    """Score the batch input of ``name`` with the version in production, for ``day``.

    Writes a parcel into the new ``folder``; where the ledger in ``state`` knows the same version,
    input and day, that entry is returned and nothing is written.

    Raises:
        MlopsError: ``not_deployed``, ``no_batch``, what the input or the runner says.
    """
    from ci.score import score_with

    with _work(repository, name, day) as work:
        known = read_ledger(state, name).find(work.version, work.digest, day)
        if known is not None:
            return known
        recall(repository, state, name)
        folder.mkdir(parents=True)
        scored = score_with(
            work.servable,
            work.source,
            folder / f"{STEM}.{work.kind}",
            repository.state_dir,
            replace=True,
            shown=work.shown,
        )
        return _pack(repository, name, work, scored, folder)


@contextmanager
def _work(repository: Repository, name: str, day: date) -> Iterator[Work]:
    from ci.score.inputs import declared_input
    from ci.score.score import in_production

    servable = in_production(repository, name)
    # What the version in production was released with decides, as it does for its API.
    with declared_input(repository, servable.contract, str(day), fresh=True) as found:
        batch = servable.contract.batch
        if servable.version is None or batch is None:
            raise MlopsError("no_batch", f"What is in production of {name} was never released.")
        digest = file_digest(found.path)
        yield Work(servable, servable.version, day, found.path, found.shown, digest, batch.output)


def _pack(repository: Repository, name: str, work: Work, scored: Scored, folder: Path) -> Parcel:
    """Put the report beside the predictions, and say what is there."""
    from ci.score.outcome import remembered

    for report, called in ((scored.report, "report.html"), (scored.spreadsheet, "report.xlsx")):
        if report is not None:
            shutil.copyfile(report, folder / called)
    outcome = next(remembered(repository.state_dir / "reports" / name))
    parcel = Parcel(
        model=name,
        version=work.version,
        day=work.day,
        input=work.digest,
        rows=scored.rows,
        kind=work.kind,
        files={path.name: file_digest(path) for path in sorted(folder.iterdir())},
        last=as_last(outcome),
    )
    write_json(folder / PARCEL, parcel.model_dump(mode="json"))
    return parcel
