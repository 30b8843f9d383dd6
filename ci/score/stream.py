"""Pieces of the file on all cores: checked, predicted and written out, in order."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ci.console import progress
from ci.errors import MlopsError
from ci.evaluate.pool import open_pool
from ci.score.job import PART_ROWS, PIECE_ROWS, Plan
from ci.score.piece import Done, Scorer
from ci.score.writing import PartWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.dataset.table_file import TableFile
    from ci.evaluate.candidate import Servable
    from ci.score.check import BadRows
    from ci.score.parts import Folder

CHUNK_TIMEOUT_SECONDS = 120.0
SHOWN_ROWS = 3


def score_parts(
    servable: Servable,
    file: TableFile,
    folder: Folder,
    plan: Plan,
    wanted: Iterable[int],
    log: Path,
) -> None:
    """Score the parts ``wanted`` that ``folder`` does not hold yet.

    Raises:
        MlopsError: ``bad_rows`` where more rows are bad than allowed; what the runner says.
        OSError: where the parts can't be written.
    """
    done = {index: folder.part(index) for index in wanted}
    missing = {index for index, part in done.items() if part is None}
    bad = sum(part.bad for part in done.values() if part)
    if missing:
        before = sum(part.rows for part in done.values() if part)
        total = sum(plan.rows_of(index) for index in done)
        with progress("rows", total, before) as advance:
            _score_missing(servable, file, folder, plan, Missing(missing, bad), log, advance)


@dataclass(frozen=True)
class Missing:
    """The parts that are still to be scored, and the bad rows of the others."""

    parts: set[int]
    bad: int


def _score_missing(
    servable: Servable,
    file: TableFile,
    folder: Folder,
    plan: Plan,
    missing: Missing,
    log: Path,
    advance: Callable[[int], None],
) -> None:
    bad = missing.bad
    workers = _workers(plan, len(missing.parts))
    # The pool closes first, so that nothing waits for a call that nobody wants any more.
    with (
        ThreadPoolExecutor(workers + 1) as threads,
        open_pool(servable, log, CHUNK_TIMEOUT_SECONDS, workers) as pool,
    ):
        scorer = Scorer(plan, file.numbers, pool)
        pieces = _pieces(file, missing.parts)
        finished = _in_order(scorer, threads, pieces, 2 * workers + 1)
        for index, group in groupby(finished, key=lambda piece: piece[0]):
            with PartWriter(folder, plan, index) as writer:
                for piece in _counted(plan, group, bad, advance):
                    writer.add(piece)
            bad += folder.finish(writer.part()).bad


def _workers(plan: Plan, parts: int) -> int:
    rows = min(plan.rows, parts * PART_ROWS)
    return min(os.cpu_count() or 1, 1 + rows // PIECE_ROWS)


def _pieces(file: TableFile, wanted: set[int]) -> Iterator[tuple[int, int, pa.Table]]:
    """Part, number of the first row, and rows; nothing is read after the last wanted part."""
    first = 1
    for table in file.tables(PIECE_ROWS):
        index = (first - 1) // PART_ROWS
        if index > max(wanted):
            return
        if index in wanted:
            yield index, first, table
        first += table.num_rows


def _in_order(
    scorer: Scorer,
    threads: ThreadPoolExecutor,
    pieces: Iterator[tuple[int, int, pa.Table]],
    most: int,
) -> Iterator[tuple[int, Done]]:
    """Scored pieces in the order of the file; at most ``most`` of them are in memory."""
    waiting: deque[tuple[int, Future[Done]]] = deque()
    try:
        for index, first, table in pieces:
            waiting.append((index, threads.submit(scorer.piece, table, first)))
            if len(waiting) > most:
                yield _first_done(waiting)
        while waiting:
            yield _first_done(waiting)
    finally:
        for _, future in waiting:
            future.cancel()


def _first_done(waiting: deque[tuple[int, Future[Done]]]) -> tuple[int, Done]:
    index, future = waiting.popleft()
    return index, future.result()


def _counted(
    plan: Plan,
    group: Iterable[tuple[int, Done]],
    bad: int,
    advance: Callable[[int], None],
) -> Iterator[Done]:
    """The pieces of a part, as long as no more rows are bad than allowed."""
    for _, piece in group:
        bad += len(piece.bad.numbers) if piece.bad else 0
        if piece.bad and bad > plan.most_bad_rows:
            raise _too_many_bad_rows(plan, piece.bad, bad)
        yield piece
        advance(piece.rows)


def _too_many_bad_rows(plan: Plan, bad: BadRows, found: int) -> MlopsError:
    shown = list(zip(bad.numbers, bad.reasons, strict=True))[:SHOWN_ROWS]
    examples = "; ".join(f"row {number}: {reason}" for number, reason in shown)
    count = "1 row breaks" if found == 1 else f"{found:,} rows break"
    return MlopsError(
        "bad_rows",
        f"{plan.source}: {count} the contract of {plan.model} so far, and batch.max_bad_rows "
        f"allows {plan.most_bad_rows:,} ({examples}); correct the file or raise the limit, and "
        "try again; nothing was written.",
    )
