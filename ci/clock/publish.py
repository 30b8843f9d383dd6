"""Publishes parcels of predictions: a release asset each, and a line in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.clock.last import keep_last
from ci.clock.ledger import Entry, add_entry
from ci.clock.parcel import read_parcel
from ci.console import say
from ci.contract.batch import Delivery
from ci.contract.model import load_model_contract
from ci.files import file_digest
from ci.github import releases
from ci.state import StateBranch

if TYPE_CHECKING:
    from pathlib import Path

    from ci.clock.parcel import Parcel
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

    It is in the ledger once it is everywhere, so that whoever is cut off goes on with the rest.

    Raises:
        MlopsError: ``bad_parcel``, ``delivery_failed``, or what GitHub or the state branch says.
    """
    parcel = read_parcel(folder, repository.model_names())
    delivery = _delivery(repository, parcel, folder)
    digest = parcel.files[parcel.predictions]
    if delivery.release:
        digest = _release(github, parcel, folder)
    entry = Entry(
        day=parcel.day,
        version=parcel.version,
        input=parcel.input,
        rows=parcel.rows,
        tag=parcel.tag if delivery.release else None,
        asset=parcel.asset(parcel.predictions),
        digest=digest,
        run_url=github.context.run_url,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )

    def note(state: Path) -> Entry:
        keep_last(state, parcel.model, parcel.last)
        return add_entry(state, parcel.model, entry)

    written = StateBranch(repository.root).update(f"Batch of {parcel.model} for {parcel.day}", note)
    return Published(parcel.model, written, written == entry)


def _delivery(repository: Repository, parcel: Parcel, folder: Path) -> Delivery:
    """Bring the parcel to where main's contract says: what made it does not choose the place."""
    from ci.score.delivery import Goods, deliver

    contract = load_model_contract(repository, parcel.model)
    delivery = contract.batch.delivery if contract.batch else Delivery()
    if delivery.elsewhere:
        file = folder / parcel.predictions
        goods = Goods(parcel.model, parcel.version, parcel.day, parcel.input, parcel.rows, file)
        for place in deliver(goods, contract, delivery, repository.root):
            say(f"{parcel.model}: {place}")
    return delivery


def _release(github: GitHub, parcel: Parcel, folder: Path) -> str:
    """Publish the parcel's files; returns the SHA-256 of the predictions that are stored."""
    release = releases.by_tag(github, parcel.tag) or releases.create(
        github,
        parcel.tag,
        github.context.sha,
        f"Batch {parcel.model} {parcel.day.year}",
        NOTE.format(model=parcel.model, year=parcel.day.year),
    )
    stored = {
        name: _store(github, release, parcel.asset(name), folder / name) for name in parcel.files
    }
    return stored[parcel.predictions]


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
