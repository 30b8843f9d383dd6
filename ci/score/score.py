"""`mlops score`: stream a file through a released model."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.console import progress
from ci.errors import MlopsError
from ci.score.columns import Piece, read_piece
from ci.score.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from bentos.runners import RunnerPool
    from ci.contract.model import ModelContract
    from ci.dataset.tabular import TableFile
    from ci.evaluate.candidate import Servable
    from ci.repository import Repository

CHUNK_ROWS = 10_000
CHUNK_TIMEOUT_SECONDS = 120.0
BYTES_WORTH_A_WORKER = 1 << 20


@dataclass(frozen=True)
class Scored:
    """Rows read and written, wall-clock seconds, and the version that predicted."""

    rows: int
    seconds: float
    version: int | None


@dataclass(frozen=True)
class _Predict:
    """Workers that hold the model, and a thread for each that waits for its answer."""

    pool: RunnerPool
    threads: ThreadPoolExecutor
    workers: int


def score(repository: Repository, name: str, source: Path, target: Path) -> Scored:
    """Write ``source`` with the predictions of the production version of ``name`` to ``target``.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``bad_table``, ``bad_rows``,
            ``bad_output`` or what the runner says; ``target`` is as it was then.
    """
    from ci.registry.champion import champion
    from ci.release.operate import not_deployed

    repository.model_dir(name)
    servable = champion(repository, name)
    if servable is None:
        raise not_deployed(name)
    return score_with(servable, source, target, repository.state_dir / "logs" / f"score-{name}.log")


def score_with(
    servable: Servable, source: Path, target: Path, log: Path, *, replace: bool = False
) -> Scored:
    """The same with a given model; ``log`` takes what its code prints.

    A column of ``source`` that is named as a prediction is refused, or with ``replace`` left out:
    a pipeline's table may hold the outcome under that name.

    Raises:
        MlopsError: as ``score``.
    """
    from bentos.runners import RunnerError
    from ci.dataset.tabular import open_table

    begin = time.monotonic()
    file = open_table(source)
    workers = min(os.cpu_count() or 1, 1 + source.stat().st_size // BYTES_WORTH_A_WORKER)
    _check_columns(servable.contract, file, replace)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            _pool(servable, workers, log) as pool,
            open_writer(target, source) as writer,
            ThreadPoolExecutor(workers) as threads,
        ):
            rows = _stream(servable.contract, file, _Predict(pool, threads, workers), writer.write)
    except RunnerError as error:
        raise MlopsError(error.code, f"{servable.contract.name}: {error.message}") from None
    return Scored(rows, round(time.monotonic() - begin, 3), servable.version)


def _check_columns(contract: ModelContract, file: TableFile, replace: bool) -> None:
    missing = [name for name in contract.input if name not in file.columns]
    if missing:
        raise MlopsError(
            "bad_rows",
            f"{file.path}: the column {missing[0]} is missing; {contract.name} needs "
            f"{', '.join(contract.input)}.",
        )
    taken = [name for name in contract.output if name in file.columns]
    if taken and not replace:
        raise MlopsError(
            "bad_rows",
            f"{file.path}: it has a column {taken[0]} already, which the predictions would "
            "overwrite; rename it and try again.",
        )


def _pool(servable: Servable, workers: int, log: Path) -> RunnerPool:
    from bentos.frames import Field
    from bentos.runners import RunnerPool

    contract = servable.contract
    return RunnerPool(
        contract.language,
        servable.predict_file,
        servable.artifact,
        [Field(name, column.type) for name, column in contract.output.items()],
        workers=workers,
        timeout_seconds=max(CHUNK_TIMEOUT_SECONDS, contract.serving.timeout_seconds),
        log=log,
    )


def _stream(contract: ModelContract, file: TableFile, predict: _Predict, write: Any) -> int:
    """Read, predict on all workers, write in order; a bounded number of pieces is in memory."""
    waiting: deque[tuple[Piece, Future[Any]]] = deque()
    rows = 0
    with progress("rows scored") as advance:
        for piece in _pieces(contract, file):
            waiting.append((piece, predict.threads.submit(predict.pool.predict, piece.frame)))
            if len(waiting) > 2 * predict.workers:
                rows += _finish(contract, waiting.popleft(), write, advance)
        while waiting:
            rows += _finish(contract, waiting.popleft(), write, advance)
    return rows


def _pieces(contract: ModelContract, file: TableFile) -> Iterator[Piece]:
    first = 1
    for table in file.tables(CHUNK_ROWS):
        yield read_piece(contract.input, table, first, str(file.path))
        first += table.num_rows


def _finish(
    contract: ModelContract, work: tuple[Piece, Future[Any]], write: Any, advance: Any
) -> int:
    piece, answer = work
    table = _with_predictions(contract, piece.table, answer.result())
    write(table)
    advance(table.num_rows)
    return int(table.num_rows)


def _with_predictions(contract: ModelContract, table: pa.Table, answers: Any) -> pa.Table:
    import pyarrow as pa

    types = {
        "number": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "string": pa.string(),
    }
    table = table.drop_columns([name for name in contract.output if name in table.column_names])
    for name, column in contract.output.items():
        values = pa.array(answers.columns[name].to_list(), types[column.type])
        table = table.append_column(name, values)
    return table
