"""Pieces of the file through an engine, and written out in order as parts."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from ci.console import progress
from ci.errors import MlopsError
from ci.score.engine import Job
from ci.score.job import PART_ROWS, PIECE_ROWS
from ci.score.writing import PartWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.dataset.table_file import TableFile
    from ci.evaluate.candidate import Servable
    from ci.score.check import BadRows
    from ci.score.engine import Engine, Pending, Queue
    from ci.score.job import Plan
    from ci.score.parts import Folder
    from ci.score.piece import Done

SHOWN_ROWS = 3


def score_parts(
    servable: Servable,
    file: TableFile,
    folder: Folder,
    plan: Plan,
    wanted: Iterable[int],
    log: Path,
    engine: Engine,
) -> None:
    """Have ``engine`` score the parts ``wanted`` that ``folder`` does not hold yet.

    Raises:
        MlopsError: ``bad_rows`` where more rows are bad than allowed; what the engine says.
        OSError: where the parts can't be written.
    """
    done = {index: folder.part(index) for index in wanted}
    missing = {index for index, part in done.items() if part is None}
    if not missing:
        return
    bad = sum(part.bad for part in done.values() if part)
    before = sum(part.rows for part in done.values() if part)
    total = sum(plan.rows_of(index) for index in done)
    job = Job(servable, plan, file.numbers, total - before, log)
    with (
        progress("rows", total, before) as advance,
        engine(job) as queue,
        # Closed before the engine is: Ray begins anew when it is asked to cancel after its end.
        closing(_in_order(queue, _pieces(file, missing))) as finished,
    ):
        for index, group in groupby(finished, key=lambda piece: piece[0]):
            with PartWriter(folder, plan, index) as writer:
                for piece in _counted(file, plan, group, bad, advance):
                    writer.add(piece)
            bad += folder.finish(writer.part()).bad


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
    queue: Queue, pieces: Iterator[tuple[int, int, pa.Table]]
) -> Generator[tuple[int, Done]]:
    """Scored pieces in the order of the file; no more of them are in memory than the queue says."""
    waiting: deque[tuple[int, Pending]] = deque()
    try:
        for index, first, table in pieces:
            waiting.append((index, queue.submit(table, first)))
            if len(waiting) > queue.most():
                yield _first_done(waiting)
        while waiting:
            yield _first_done(waiting)
    finally:
        for _, pending in waiting:
            pending.cancel()


def _first_done(waiting: deque[tuple[int, Pending]]) -> tuple[int, Done]:
    index, pending = waiting.popleft()
    return index, pending.result()


def _counted(
    file: TableFile,
    plan: Plan,
    group: Iterable[tuple[int, Done]],
    bad: int,
    advance: Callable[[int], None],
) -> Iterator[Done]:
    """The pieces of a part, as long as no more rows are bad than allowed."""
    for _, piece in group:
        found = _with_origin(piece.bad, file) if piece.bad else None
        bad += len(found.numbers) if found else 0
        if found and bad > plan.most_bad_rows:
            raise _too_many_bad_rows(plan, found, bad)
        yield replace(piece, bad=found)
        advance(piece.rows)


def _with_origin(bad: BadRows, file: TableFile) -> BadRows:
    """The same; of a table that was joined, each reason says which row of which file it is."""
    origins = [file.origin(number) for number in bad.numbers]
    pairs = zip(bad.reasons, origins, strict=True)
    return replace(bad, reasons=[f"{why} ({at})" if at else why for why, at in pairs])


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
