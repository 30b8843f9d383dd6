"""`mlops score MODEL` alone: what the contract declares, from its input to its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.files import file_digest
from ci.score.delivery import Goods, deliver
from ci.score.engine import on_this_machine
from ci.score.inputs import declared_input, given_input
from ci.score.names import run_name
from ci.score.score import WHOLE, in_production, score_with

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository
    from ci.score.engine import Engine
    from ci.score.finish import Scored
    from ci.score.job import Shard


@dataclass(frozen=True)
class Delivered:
    """A run, and the places that its predictions were brought to."""

    scored: Scored
    places: list[str]


def score_declared(
    repository: Repository, name: str, engine: Engine = on_this_machine
) -> Delivered:
    """Score the declared input for today with the version in production, and deliver it.

    The files lie in `.mlops/batch/MODEL/`, under the run's name. Asked for again on the same input,
    it brings the same rows to the same places, once.

    Raises:
        MlopsError: ``no_batch``, ``bad_source``, ``delivery_failed``, or as `score`.
    """
    servable = in_production(repository, name)
    contract, day = servable.contract, datetime.now(UTC).date()
    with declared_input(repository, contract, str(day), fresh=False) as found:
        batch = contract.batch
        assert batch is not None and servable.version is not None  # noqa: S101, PT018
        digest = file_digest(found.path)
        run = run_name(name, day, servable.version, digest)
        target = repository.state_dir / "batch" / name / f"{run}.{batch.output}"
        scored = score_with(
            servable,
            found.path,
            target,
            repository.state_dir,
            replace=True,
            shown=found.shown,
            engine=engine,
        )
        goods = Goods(name, servable.version, day, digest, scored.rows, target)
        return Delivered(scored, deliver(goods, contract, batch.delivery, repository.root))


def score_given(
    repository: Repository,
    name: str,
    address: str,
    target: Path,
    shard: Shard = WHOLE,
    engine: Engine = on_this_machine,
) -> Scored:
    """Score what somebody names: a file, a folder or an address.

    Raises:
        MlopsError: ``bad_source``, or as `score`.
    """
    servable = in_production(repository, name)
    with given_input(repository, servable.contract, address, target) as found:
        return score_with(
            servable,
            found.path,
            target,
            repository.state_dir,
            shard,
            shown=found.shown,
            engine=engine,
        )
