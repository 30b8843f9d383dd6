"""Which models are to be scored now: late and dropped schedules are caught up once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ci.clock.ledger import read_ledger
from ci.contract.model import load_model_contract
from ci.cron import Cron
from ci.errors import MlopsError
from ci.state.records import released, versions

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.batch import Batch
    from ci.contract.model import ModelContract
    from ci.repository import Repository


@dataclass(frozen=True)
class Decision:
    """What is to be done for a model; ``day`` is None where nothing is, and ``reason`` says why."""

    model: str
    language: str
    day: date | None
    reason: str
    shards: int = 1


def due_models(repository: Repository, state: Path, now: datetime) -> list[Decision]:
    """A decision for each model with a batch schedule, by name.

    A model whose contract is broken is named and holds up no other.
    """
    found = []
    for name in repository.model_names():
        try:
            contract = load_model_contract(repository, name)
            if contract.batch is not None:
                found.append(_decide(contract, contract.batch, state, now))
        except MlopsError as error:
            found.append(Decision(name, "", None, error.message))
    return found


def asked_for(repository: Repository, state: Path, name: str, now: datetime) -> Decision:
    """The decision for a model that somebody asked for, whatever its schedule says.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract`` or ``no_batch``.
    """
    contract = load_model_contract(repository, name)
    if contract.batch is None:
        raise MlopsError(
            "no_batch", f"models/{name}/model.yaml has no key batch; add one to score {name}."
        )
    if released(state, name) is None:
        return Decision(name, contract.language, None, "never released, so that nothing can score")
    day = now.astimezone(UTC).date()
    return Decision(name, contract.language, day, "asked for", contract.batch.shards)


def watched_models(repository: Repository, state: Path, name: str, now: datetime) -> list[Decision]:
    """A decision for each model that is monitored, or for the one that ``name`` names.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract`` or ``not_monitored`` for that one.
    """
    if name:
        found = _watch(repository, state, name, now)
        if found is None:
            raise MlopsError(
                "not_monitored", f"models/{name}/model.yaml has no key monitoring; add one."
            )
        return [found]
    decisions = []
    for each in repository.model_names():
        try:
            decisions.append(_watch(repository, state, each, now))
        except MlopsError as error:
            decisions.append(Decision(each, "", None, error.message))
    return [decision for decision in decisions if decision]


def _watch(repository: Repository, state: Path, name: str, now: datetime) -> Decision | None:
    contract = load_model_contract(repository, name)
    if contract.monitoring is None:
        return None
    if released(state, name) is None:
        return Decision(name, contract.language, None, "never released, so that nothing can drift")
    return Decision(name, contract.language, now.astimezone(UTC).date(), "in production")


def _decide(contract: ModelContract, batch: Batch, state: Path, now: datetime) -> Decision:
    def no(reason: str) -> Decision:
        return Decision(contract.name, contract.language, None, reason)

    if released(state, contract.name) is None:
        return no("never released, so that nothing can score")
    slot = Cron.parse(batch.schedule).last(now)
    if slot is None:
        return no(f"its schedule {batch.schedule!r} never comes")
    first = datetime.fromisoformat(versions(state, contract.name)[0].released_at)
    if slot < first:
        return no("not due since its first release")
    done = [entry.day for entry in read_ledger(state, contract.name).entries]
    if done and max(done) >= slot.date():
        return no(f"scored for {max(done)} already")
    due = f"due since {slot:%F %H:%M} UTC"
    return Decision(contract.name, contract.language, slot.date(), due, batch.shards)
