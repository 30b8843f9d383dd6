"""`mlops score` and `mlops score-merge`: a file through a released model, once and completely."""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.console import say, step
from ci.errors import MlopsError
from ci.score.engine import on_this_machine
from ci.score.job import Plan, Shard, make_plan
from ci.score.outcome import Outcome, make_outcome
from ci.score.parts import Folder, forget_old, held, sentence
from ci.score.stream import score_parts
from ci.score.writing import Source, join, quarantine_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.dataset.table_file import TableFile
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository
    from ci.score.engine import Engine

WHOLE = Shard()
KEPT_SECONDS = 7 * 24 * 3600.0
BYTES_WORTH_A_WORD = 32 << 20


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
            parts = _sources(plan, [folder], shard.parts(plan.parts))
            if not whole:
                return _shard_scored(plan, parts, place, begin)
            scored = _finish(plan, parts, target, state, begin)
            folder.remove()
            return scored
    except OSError as error:
        raise sentence(error, target) from None


def merge(repository: Repository, name: str, target: Path) -> Scored:
    """Join the shards that lie beside ``target``.

    Raises:
        MlopsError: ``unknown_model``, ``no_shards``, ``bad_shards``, ``busy``, ``damaged_part``.
    """
    repository.model_dir(name)
    return merge_with(name, target, repository.state_dir)


def merge_with(name: str, target: Path, state: Path) -> Scored:
    """The same with a given folder for what is kept.

    Raises:
        MlopsError: as ``merge``.
    """
    begin = time.time()
    target = target.absolute()
    paths = sorted(target.parent.glob(f"{target.name}.shard-*-of-*"))
    if not paths:
        raise MlopsError(
            "no_shards",
            f"There are no shards of {target}; make them with `mlops score {name} --shard 1/2 …` "
            "and bring their folders beside it.",
        )
    try:
        with ExitStack() as stack:
            folders = [stack.enter_context(held(path, target)) for path in paths]
            plan = _common_plan(name, folders)
            sources = _sources(plan, folders, range(plan.parts))
            scored = _finish(plan, sources, target, state, begin)
            for path in paths:
                shutil.rmtree(path)
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


def _sources(plan: Plan, folders: Sequence[Folder], wanted: range) -> list[Source]:
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


def _common_plan(name: str, folders: Sequence[Folder]) -> Plan:
    plans = [folder.plan() for folder in folders]
    plan = plans[0]
    if plan is None or any(other is None or other.key != plan.key for other in plans):
        raise MlopsError(
            "bad_shards",
            "The shards are not of one input, version and output; delete those of other runs, "
            "and merge again.",
        )
    if plan.model != name:
        raise MlopsError("bad_shards", f"The shards are of the model {plan.model}, not of {name}.")
    return plan


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


def _finish(
    plan: Plan, sources: Sequence[Source], target: Path, state: Path, begin: float
) -> Scored:
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
