"""Scores one model for one day, into a parcel that a job with the right to write publishes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ci.clock.inputs import ensure_tables
from ci.clock.ledger import read_ledger
from ci.clock.parcel import PARCEL, PREDICTIONS, Parcel
from ci.console import say
from ci.errors import MlopsError
from ci.files import file_digest, write_json

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from ci.clock.ledger import Entry
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository


def run_batch(
    repository: Repository, state: Path, name: str, day: date, folder: Path
) -> Parcel | Entry:
    """Score the batch input of ``name`` with the version in production, for ``day``.

    Writes `parcel.json` and the predictions into the new ``folder``; where the ledger in ``state``
    knows the same version, input and day, that entry is returned and nothing is written.

    Raises:
        MlopsError: ``not_deployed``, ``no_batch``, what the pipeline or the runner says.
    """
    from ci.score import score_with

    servable = _champion(repository, name)
    # What the version in production was released with decides, as it does for its API.
    batch = servable.contract.batch
    if batch is None or servable.version is None:
        raise MlopsError("no_batch", f"Version {servable.version} of {name} has no key batch.")
    (source,) = ensure_tables(repository, name, [batch.input])
    digest = file_digest(source)
    known = read_ledger(state, name).find(servable.version, digest, day)
    if known is not None:
        return known
    folder.mkdir(parents=True)
    target = folder / PREDICTIONS
    scored = score_with(servable, source, target, repository.state_dir, replace=True)
    if scored.quarantine is not None:  # what is published is the predictions alone
        kept = repository.state_dir / "batch" / f"{name}-{day}.quarantine.csv"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(scored.quarantine, kept)
        say(f"{scored.quarantined:,} rows break the contract; they lie in {kept}")
    parcel = Parcel(
        model=name,
        version=servable.version,
        day=day,
        input=digest,
        rows=scored.rows,
        digest=file_digest(target),
    )
    write_json(folder / PARCEL, parcel.model_dump(mode="json"))
    return parcel


def _champion(repository: Repository, name: str) -> Servable:
    from ci.registry.champion import champion
    from ci.release.operate import not_deployed

    servable = champion(repository, name)
    if servable is None:
        raise not_deployed(name)
    return servable
