"""Publishes parcels of predictions: a release asset each, and a line in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.clock.ledger import Entry, add_entry
from ci.clock.parcel import PREDICTIONS, read_parcel
from ci.files import file_digest
from ci.github import releases
from ci.state import StateBranch

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.repository import Repository

NOTE = (
    "Predictions of {model}, scored in {year}: one file a day and version, the input's columns "
    "with the predictions beside them. The ledger batch/{model}.json on the branch mlops-state "
    "says what each was made of."
)


@dataclass(frozen=True)
class Published:
    """A parcel's entry in the ledger; ``new`` is false where it was there before."""

    model: str
    entry: Entry
    new: bool


def publish(repository: Repository, github: GitHub, folder: Path) -> Published:
    """Publish the parcel in ``folder``, once however often it is asked for.

    Raises:
        MlopsError: ``bad_parcel``, or what GitHub or the state branch says.
    """
    parcel = read_parcel(folder, repository.model_names())
    release = releases.by_tag(github, parcel.tag) or releases.create(
        github,
        parcel.tag,
        github.context.sha,
        f"Batch {parcel.model} {parcel.day.year}",
        NOTE.format(model=parcel.model, year=parcel.day.year),
    )
    stored = _store(github, release, parcel.asset, folder / PREDICTIONS)
    entry = Entry(
        day=parcel.day,
        version=parcel.version,
        input=parcel.input,
        rows=parcel.rows,
        tag=parcel.tag,
        asset=parcel.asset,
        digest=stored,
        run_url=github.context.run_url,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    message = f"Batch of {parcel.model} for {parcel.day}"
    written = StateBranch(repository.root).update(
        message, lambda state: add_entry(state, parcel.model, entry)
    )
    return Published(parcel.model, written, written == entry)


def _store(github: GitHub, release: releases.Release, name: str, file: Path) -> str:
    """Upload ``file`` and return the SHA-256 of what is stored.

    What a run that was cut off has uploaded stays, even where a model that draws at random would
    now answer otherwise: published files never change.
    """
    there = releases.all_assets(github, release).get(name)
    if there is None:
        releases.upload_asset(github, release, name, file)
        return file_digest(file)
    return str(there.get("digest") or "").removeprefix("sha256:") or file_digest(file)
