"""Scores one model for one day, into a parcel that a job with the right to write publishes."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date  # noqa: TC003 (pydantic reads it)
from typing import TYPE_CHECKING

from ci.clock.last import as_last, recall
from ci.clock.ledger import read_ledger
from ci.clock.parcel import PARCEL, STEM, Parcel
from ci.contract.base import Contract, Name
from ci.contract.batch import Kind  # noqa: TC001 (pydantic reads it)
from ci.errors import MlopsError
from ci.files import file_digest, read_json, write_json
from ci.score.job import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.clock.ledger import Entry
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository
    from ci.score import Scored

LABEL = "label.json"
WHOLE = Shard()


@dataclass(frozen=True)
class Work:
    """A table to score for a day, with the version that does it."""

    servable: Servable
    source: Path
    shown: str
    label: Label


class Label(Contract):
    """What is scored, and for when: the same for every shard of it."""

    model: Name
    version: int
    day: date
    input: str
    kind: Kind


def run_batch(
    repository: Repository, state: Path, name: str, day: date, folder: Path, shard: Shard = WHOLE
) -> Parcel | Label | Entry:
    """Score the batch input of ``name`` with the version in production, for ``day``.

    Writes a parcel into the new ``folder``, or of a ``shard`` what `merge_batch` needs; where the
    ledger in ``state`` knows the same version, input and day, that entry is returned and nothing
    is written.

    Raises:
        MlopsError: ``not_deployed``, ``no_batch``, what the input or the runner says.
    """
    from ci.score import score_with

    with _work(repository, name, day) as work:
        label = work.label
        known = read_ledger(state, name).find(label.version, label.input, day)
        if known is not None:
            return known
        recall(repository, state, name)
        folder.mkdir(parents=True)
        scored = score_with(
            work.servable,
            work.source,
            folder / f"{STEM}.{label.kind}",
            repository.state_dir,
            shard,
            replace=True,
            shown=work.shown,
        )
        if shard.of > 1:
            write_json(folder / LABEL, label.model_dump(mode="json"))
            return label
        return _pack(repository, label, scored, folder)


def merge_batch(
    repository: Repository, state: Path, name: str, shards: Path, folder: Path
) -> Parcel | None:
    """Make the parcel ``folder`` of all that lies in ``shards``; None where no shard had work.

    Raises:
        MlopsError: ``bad_shards``, or as `merge`.
    """
    from ci.score import merge_with

    handed = sorted(shards.glob(f"*/{LABEL}"))
    if not handed:
        return None
    labels = [_read_label(path) for path in handed]
    if any(label != labels[0] for label in labels):
        raise MlopsError(
            "bad_shards",
            f"The shards of {name} read other rows than one another; give its query an ORDER BY, "
            "or let nothing change the input meanwhile, and run it again.",
        )
    recall(repository, state, name)
    folder.mkdir(parents=True)
    for part in shards.glob(f"*/{STEM}.*"):
        shutil.move(part, folder / part.name)
    scored = merge_with(name, folder / f"{STEM}.{labels[0].kind}", repository.state_dir)
    return _pack(repository, labels[0], scored, folder)


def _read_label(path: Path) -> Label:
    try:
        return Label.model_validate(read_json(path))
    except ValueError:
        raise MlopsError("bad_shards", f"{path.parent.name} is no shard; score it again.") from None


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
        label = Label(
            model=name,
            version=servable.version,
            day=day,
            input=file_digest(found.path),
            kind=batch.output,
        )
        yield Work(servable, found.path, found.shown, label)


def _pack(repository: Repository, label: Label, scored: Scored, folder: Path) -> Parcel:
    """Put the report beside the predictions, and say what is there."""
    from ci.score.outcome import remembered

    for report, called in ((scored.report, "report.html"), (scored.spreadsheet, "report.xlsx")):
        if report is not None:
            shutil.copyfile(report, folder / called)
    outcome = next(remembered(repository.state_dir / "reports" / label.model))
    parcel = Parcel(
        **label.model_dump(),
        rows=scored.rows,
        files={path.name: file_digest(path) for path in sorted(folder.iterdir())},
        last=as_last(outcome),
    )
    write_json(folder / PARCEL, parcel.model_dump(mode="json"))
    return parcel
