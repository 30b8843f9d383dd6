"""Dates, units, outliers and duplicates, put right as `dataset.yaml` declares, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.dataset.dates import SAID, as_iso
from ci.dataset.forms import without_markers
from ci.dataset.values import as_type
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from ci.contract.dataset import Table
    from ci.contract.refresh import Cleaning, Outlier

# 1999 cents are 19.99 dollars, and not 19.990000000000002.
DIGITS = 9


@dataclass
class Cleaner:
    """Cleans a table piece by piece; ``counts`` are rows or values, by what was done to them.

    ``dates`` are the columns of times that are texts, and what `ColumnForms.kind` says of them.
    """

    table: Table
    rules: Cleaning
    dates: Mapping[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def clean(self, piece: pa.Table) -> pa.Table:
        """``piece`` with everything put right.

        Raises:
            MlopsError: ``bad_data`` where a column to convert holds no numbers.
        """
        for name, written in self.dates.items():
            piece = self._read_dates(piece, name, written)
        for name, factor in self.rules.units.items():
            piece = self._convert(piece, name, factor)
        for name, outlier in self.rules.outliers.items():
            piece = self._without(piece, name, outlier)
        return self._new_rows(piece)

    def old_rows(self, piece: pa.Table) -> pa.Table:
        """``piece`` of the version before, which is known from now on."""
        if self.rules.duplicates == "drop":
            return self._first(piece)
        self._seen.update(self._hashes(piece, list(self.table.columns)))
        return piece

    def _new_rows(self, piece: pa.Table) -> pa.Table:
        if not self.table.columns.keys() <= set(piece.column_names):
            return piece  # which the contract refuses
        if self.rules.duplicates == "drop":
            return self._first(piece)
        if not self._seen:
            return piece
        there = [each in self._seen for each in self._hashes(piece, list(self.table.columns))]
        return self._without_those(piece, there, "rows that were here already")

    def _first(self, piece: pa.Table) -> pa.Table:
        """``piece`` without the rows that came before, in it or in another piece."""
        again = []
        for each in self._hashes(piece, self.table.key or list(self.table.columns)):
            again.append(each in self._seen)
            self._seen.add(each)
        return self._without_those(piece, again, "duplicate rows dropped")

    def _without_those(self, piece: pa.Table, those: list[bool], what: str) -> pa.Table:
        import pyarrow as pa

        self._count(what, sum(those))
        return piece.filter(pa.array([not each for each in those], pa.bool_()))

    def _hashes(self, piece: pa.Table, columns: list[str]) -> list[int]:
        """One number a row, of the values of ``columns``: 4 and 4.0 are the same."""
        import pandas as pd
        import pyarrow as pa

        texts = {}
        for name in columns:
            written = piece.column(name).combine_chunks()
            values, bad = as_type(written, self.table.columns[name].type)
            texts[name] = (values if bad is None else written).cast(pa.string()).to_pandas()
        found: list[int] = pd.util.hash_pandas_object(pd.DataFrame(texts), index=False).tolist()
        return found

    def _read_dates(self, piece: pa.Table, name: str, written: str) -> pa.Table:
        import pyarrow.compute as pc

        texts = without_markers(piece.column(name).combine_chunks())
        if written not in SAID:
            return _put(piece, name, texts)
        made = as_iso(texts, written)
        what = "in UTC" if written == "zoned" else f"read with the {written.replace('_', ' ')}"
        self._count(f"values of {name} {what}", pc.sum(pc.not_equal(texts, made)).as_py() or 0)
        return _put(piece, name, made)

    def _convert(self, piece: pa.Table, name: str, factor: float) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = pc.round(pc.multiply(self._numbers(piece, name), factor), DIGITS)
        self._count(f"values of {name} times {factor:.15g}", piece.num_rows - values.null_count)
        whole = self.table.columns[name].type == "integer"
        if whole and pc.all(pc.equal(values, pc.floor(values))).as_py() is not False:
            values = values.cast(pa.int64())
        return _put(piece, name, values)

    def _without(self, piece: pa.Table, name: str, rule: Outlier) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self._numbers(piece, name)
        wrong = pa.array([False] * len(values))
        if rule.minimum is not None:
            wrong = pc.or_(wrong, pc.fill_null(pc.less(values, rule.minimum), False))
        if rule.maximum is not None:
            wrong = pc.or_(wrong, pc.fill_null(pc.greater(values, rule.maximum), False))
        found = pc.sum(wrong).as_py() or 0
        if rule.action == "drop":
            self._count(f"rows dropped, {name} out of range", found)
            return piece.filter(pc.invert(wrong))
        self._count(f"values of {name} taken out, out of range", found)
        column = piece.column(name).combine_chunks()
        return _put(piece, name, pc.if_else(wrong, pa.scalar(None, column.type), column))

    def _numbers(self, piece: pa.Table, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in piece.column_names:
            raise MlopsError("bad_data", f"The new rows have no column {name}; correct the source.")
        values, bad = as_type(piece.column(name).combine_chunks(), "number")
        if bad is not None and pc.any(bad).as_py():
            wrong = piece.column(name).filter(bad)[0].as_py()
            raise MlopsError(
                "bad_data", f"{name} must be a number, found {wrong!r}; correct the source."
            )
        return values.cast(pa.float64())

    def _count(self, what: str, number: int) -> None:
        if number:
            self.counts[what] = self.counts.get(what, 0) + number


def _put(piece: pa.Table, name: str, values: Any) -> pa.Table:
    return piece.set_column(piece.column_names.index(name), name, values)
