"""`mlops score`: a file through a released model, once and completely."""

from __future__ import annotations

import hashlib
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.console import step
from ci.errors import MlopsError
from ci.score.engine import on_this_machine
from ci.score.finish import Scored, finish, sources
from ci.score.job import Plan, Shard, make_plan
from ci.score.parts import Folder, forget_old, held, sentence
from ci.score.stream import score_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.dataset.table_file import TableFile
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository
    from ci.score.engine import Engine
    from ci.score.writing import Source

WHOLE = Shard()
KEPT_SECONDS = 7 * 24 * 3600.0
BYTES_WORTH_A_WORD = 32 << 20


@dataclass(frozen=True)
class Request:
    """What `mlops score` was asked for."""

    source: Path
    target: Path
    shard: Shard
    replace: bool
    shown: str
    engine: Engine


def score(
    repository: Repository, name: str, source: Path, target: Path, shard: Shard = WHOLE
) -> Scored:
    """Write ``source`` with the predictions of the production version of ``name`` to ``target``.

    A run that was ended goes on where it was. Of a ``shard`` the result lies in a folder beside
    ``target``, for `merge`.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``bad_table``, ``bad_rows``,
            ``bad_output``, ``busy`` or what the runner says; ``target`` is as it was then.
    """
    servable = in_production(repository, name)
    return score_with(servable, source, target, repository.state_dir, shard)


def in_production(repository: Repository, name: str) -> Servable:
    """The version of ``name`` that scores.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``.
    """
    from ci.registry.champion import champion
    from ci.release.operate import not_deployed

    repository.model_dir(name)
    servable = champion(repository, name)
    if servable is None:
        raise not_deployed(name)
    return servable


def score_with(
    servable: Servable,
    source: Path,
    target: Path,
    state: Path,
    shard: Shard = WHOLE,
    *,
    replace: bool = False,
    shown: str = "",
    engine: Engine = on_this_machine,
) -> Scored:
    """The same with a given model; what is kept lies in the folder ``state``.

    A column of ``source`` that is named as a prediction is refused, or with ``replace`` left out:
    a pipeline's table may hold the outcome under that name. Reports and messages call the input
    ``shown``, where it is the copy of something.

    Raises:
        MlopsError: as ``score``.
    """
    begin = time.time()
    target = target.absolute()
    root = state / "score" / servable.contract.name
    forget_old(root, KEPT_SECONDS, begin)
    whole = shard.of == 1
    place = root / _digest(str(target)) if whole else shard.folder(target)
    try:
        with held(place, target) as folder:
            plan = _score(
                servable,
                Request(source, target, shard, replace, shown or str(source), engine),
                folder,
                state,
            )
            parts = sources(plan, [folder], shard.parts(plan.parts))
            if not whole:
                return _shard_scored(plan, parts, place, begin)
            scored = finish(plan, parts, target, state, begin)
            folder.remove()
            return scored
    except OSError as error:
        raise sentence(error, target) from None


def _score(servable: Servable, asked: Request, folder: Folder, state: Path) -> Plan:
    """Have all parts of the shard in ``folder``."""
    source = asked.source
    try:
        before = source.stat() if source.is_file() else None
        file = _open(servable, source)
        plan = make_plan(servable, file, asked.target, asked.shown, replace=asked.replace)
        folder.begin(plan)
        log = state / "logs" / f"score-{plan.model}.log"
        wanted = asked.shard.parts(plan.parts)
        score_parts(servable, file, folder, plan, wanted, log, asked.engine)
        if before is None or _mark(source.stat()) != _mark(before):
            raise MlopsError(
                "input_changed", f"{source} was changed while it was read; score it again."
            )
    except MlopsError as error:
        # What was scored before is of no use to the next run where the input is at fault.
        if error.code in ("bad_rows", "bad_table", "bad_output", "input_changed"):
            folder.remove()
        raise
    except OSError as error:
        raise sentence(error, folder.path) from None
    return plan


def _open(servable: Servable, source: Path) -> TableFile:
    from ci.dataset.tabular import open_table
    from ci.score.job import id_columns

    contract = servable.contract
    verbatim = [name for name in id_columns(contract) if name not in contract.input]
    large = source.is_file() and source.stat().st_size > BYTES_WORTH_A_WORD
    with step(f"{source.name}: looking it through") if large else nullcontext():
        return open_table(source, verbatim)


def _mark(stat: Any) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shard_scored(plan: Plan, sources: Sequence[Source], place: Path, begin: float) -> Scored:
    return Scored(
        rows=sum(part.written for _, part in sources),
        quarantined=sum(part.bad for _, part in sources),
        seconds=round(time.time() - begin, 3),
        version=plan.version,
        output=str(place),
        quarantine=None,
        report=None,
        spreadsheet=None,
    )
