"""One piece of the file: checked, predicted, and made what lies in the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.score.check import BadRows, check_piece
from ci.score.csv_lines import lines
from ci.score.facts import extremes_of, is_quantity, shown_columns
from ci.score.job import Plan, id_columns
from ci.score.render import gzipped, typed_inputs, with_predictions

if TYPE_CHECKING:
    import pyarrow as pa

    from bentos.frames import Frame
    from bentos.runners import RunnerPool


@dataclass(frozen=True)
class Done:
    """A scored piece: ``body`` is CSV bytes, or a table for Parquet."""

    rows: int
    body: Any
    answer: Frame
    bad: BadRows | None
    top: list[Any]
    bottom: list[Any]


class Scorer:
    """Scores pieces for one plan; thread-safe."""

    def __init__(self, plan: Plan, numbers: frozenset[str], pool: RunnerPool) -> None:
        from bentos.frames import Field

        self._contract = plan.rules()
        self._ids = id_columns(self._contract)
        self._plan = plan
        self._numbers = numbers
        self._pool = pool
        self._fields = [
            Field(name, column.type, column.nullable)
            for name, column in self._contract.input.items()
        ]
        first = self._contract.answer
        self._ranked = first if is_quantity(self._contract, first) else None
        self._shown = shown_columns(self._contract, plan.columns)

    def piece(self, table: pa.Table, first: int) -> Done:
        """Score the rows ``first`` (counted from 1) and on.

        Raises:
            RunnerError: what the model's code says.
            MlopsError: ``too_large``.
        """
        from bentos.frames import FrameError
        from bentos.frames.arrow import encode_arrow

        table = table.select(self._plan.columns)
        checked = check_piece(self._contract.input, self._ids, self._numbers, table, first)
        try:
            request = encode_arrow(checked.inputs, self._fields)
        except FrameError as error:
            raise MlopsError("too_large", f"{self._plan.source}, row {first}: {error}.") from None
        answer = self._pool.predict_encoded(request, checked.table.num_rows)
        parquet = self._plan.kind == "parquet"
        inputs = typed_inputs(checked.inputs, self._contract.input) if parquet else {}
        scored = with_predictions(checked.table, inputs, self._contract.output, answer)
        top, bottom = (self._extremes(scored, highest) for highest in (True, False))
        body = scored if parquet else self._text(scored)
        return Done(table.num_rows, body, answer, checked.bad, top, bottom)

    def _extremes(self, scored: pa.Table, highest: bool) -> list[Any]:
        return extremes_of(scored, self._ranked, self._shown, highest) if self._ranked else []

    def _text(self, scored: pa.Table) -> bytes:
        text = lines(scored)
        return gzipped(text) if self._plan.kind == "csv.gz" else text
