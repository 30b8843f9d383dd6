"""What is different between two versions of a table: rows, ranges, missing values, drift."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.dataset.tabular import open_table
from ci.dataset.values import as_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.contract.dataset import DatasetColumn, Table

PIECE_ROWS = 100_000
# Drift is measured on so many rows at most, so that memory does not grow with the table.
SAMPLE_ROWS = 50_000
SHIFTED = 0.1
# Two draws from one distribution are further apart than this times sqrt(1/n + 1/m) once in 1,000
# (the Kolmogorov-Smirnov test at large n and m).
CHANCE = 1.95
# Standard errors of a share of missing values.
MISSING_ERRORS = 3
# Of a power of ten: cents for dollars are found where prices themselves changed a little.
UNIT_TOLERANCE = 0.1
MISSING = "\0missing"
NUMBERS = ("integer", "number")


@dataclass(frozen=True)
class Summary:
    """A column in ``rows`` rows; ``minimum`` and ``maximum`` are of numbers and timestamps."""

    rows: int
    missing: float
    minimum: float | str | None
    maximum: float | str | None


@dataclass(frozen=True)
class Change:
    """A column of the contract in both versions; ``new`` if the version before did not have it.

    Where rows were appended, ``added`` is of them alone, and so is ``drift``: among all rows those
    of a week would not be seen. ``drift`` is the Kolmogorov-Smirnov distance of numbers, and the
    largest change of a value's share for texts; both are 0 to 1, and None for timestamps or
    without values. Identifiers never count as ``shifted``. Personal data has no ``minimum`` and
    ``maximum`` here.
    """

    column: str
    before: Summary
    after: Summary
    drift: float | None
    shifted: bool
    new: bool = False
    added: Summary | None = None


@dataclass(frozen=True)
class Comparison:
    """Rows before and after, and each column of the contract in both versions.

    ``same`` says that all values are the same, however they are written. Without a version before
    there are no rows before, and no changes.
    """

    rows_before: int
    rows: int
    changes: list[Change]
    same: bool


def compare(table: Table, before: Path | None, after: Path, dropped: int | None) -> Comparison:
    """What is different between the files of two versions.

    ``dropped`` is how many rows of ``before`` are left out of ``after``, which begins with the
    others where rows were appended; None where it was written anew.
    """
    if before is None:
        return Comparison(0, _Version(table, after).rows, [], same=False)
    old = _Version(table, before)
    new = _Version(table, after)
    kept = new.rows if dropped is None else old.rows - dropped
    added = _Version(table, after, kept) if new.rows > kept else None
    changes = []
    for name, rules in table.columns.items():
        drift = _drift(rules, old.sample[name], (added or new).sample[name])
        changes.append(
            Change(
                name,
                old.summary(name),
                new.summary(name),
                drift,
                shifted=drift is not None
                and not (rules.unique or name in table.key)
                and drift > _limit(old.sample[name], (added or new).sample[name]),
                new=name not in old.columns,
                added=added.summary(name) if added else None,
            )
        )
    return Comparison(old.rows, new.rows, changes, same=old.digests == new.digests)


def _limit(before: list[Any], after: list[Any]) -> float:
    """How far the samples may be apart: a few rows are, by chance alone."""
    return max(SHIFTED, CHANCE * math.sqrt(1 / len(before) + 1 / len(after)))


class _Version:
    """A version, without its first ``begin`` rows."""

    def __init__(self, table: Table, path: Path, begin: int = 0) -> None:
        self._rules = table.columns
        file = open_table(path, [n for n, c in table.columns.items() if c.type == "string"])
        self.rows = file.rows - begin
        self.columns = file.columns
        chosen = _chosen(self.rows)
        self._missing = dict.fromkeys(table.columns, 0)
        self._ranges: dict[str, list[Any]] = {name: [] for name in table.columns}
        self.sample: dict[str, list[Any]] = {name: [] for name in table.columns}
        self._digests = {name: hashlib.sha256() for name in table.columns}
        start = 0
        for piece in _without_first(begin, file.tables(PIECE_ROWS)):
            for name, rules in table.columns.items():
                values, _ = as_type(_column(piece, name), rules.type)
                here = chosen[(chosen >= start) & (chosen < start + piece.num_rows)] - start
                self._add(name, rules, values, here)
            start += piece.num_rows

    def _add(self, name: str, rules: DatasetColumn, values: pa.Array, rows: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pc.fill_null(values.cast(pa.string()), MISSING)
        self._digests[name].update("\0".join([*texts.to_pylist(), ""]).encode())
        self._missing[name] += values.null_count
        self.sample[name] += values.take(pa.array(rows)).drop_null().to_pylist()
        if (rules.type in NUMBERS or rules.type == "timestamp") and not rules.pii:
            least, most = pc.min_max(values).as_py().values()
            self._ranges[name] += [each for each in (least, most) if each is not None]

    @property
    def digests(self) -> dict[str, str]:
        """Of the values of each column, in order."""
        return {name: each.hexdigest() for name, each in self._digests.items()}

    def summary(self, name: str) -> Summary:
        ends = self._ranges[name]
        plain = float if self._rules[name].type in NUMBERS else str
        least, most = (plain(min(ends)), plain(max(ends))) if ends else (None, None)
        return Summary(self.rows, self._missing[name] / self.rows, least, most)


def _without_first(begin: int, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for piece in pieces:
        skipped = min(begin, piece.num_rows)
        begin -= skipped
        if skipped < piece.num_rows:
            yield piece.slice(skipped)


def _column(piece: pa.Table, name: str) -> pa.Array:
    """The values; missing ones where the version does not have the column."""
    import pyarrow as pa

    if name not in piece.column_names:
        return pa.nulls(piece.num_rows, pa.string())
    return piece.column(name).combine_chunks()


def _chosen(rows: int) -> Any:
    """Numbers of the rows that drift is measured on: one of each stretch of equal length.

    Which one is drawn, the same each time: rows at equal distances are those of one store or one
    weekday, where a table repeats itself.
    """
    import numpy as np

    stretch = max(1, -(-rows // SAMPLE_ROWS))
    begins = np.arange(0, rows, stretch)
    drawn = np.random.default_rng(0).integers(0, stretch, len(begins))
    return np.minimum(begins + drawn, rows - 1)


def _drift(rules: DatasetColumn, before: list[Any], after: list[Any]) -> float | None:
    if not before or not after or rules.type == "timestamp":
        return None
    if rules.type in NUMBERS:
        from scipy.stats import ks_2samp

        return float(ks_2samp(before, after, method="asymp").statistic)
    import pandas as pd

    shares = [pd.Series(each).value_counts(normalize=True) for each in (before, after)]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().max())


def in_words(changes: list[Change]) -> list[str]:
    """A line for each column that is another than before, as Markdown; most drift first."""
    lines = []
    for change in sorted(changes, key=lambda each: -(each.drift or 0.0)):
        said = _said(change)
        if said:
            lines.append(f"- `{change.column}`: {'; '.join(said)}")
    return lines


def _said(change: Change) -> list[str]:
    old, new = change.before, change.after
    if change.new:
        return ["**it is new**"]
    said = []
    if change.shifted:
        whose = "the new rows' values" if change.added else "its values"
        said.append(f"**{whose} shifted** (drift {change.drift:.2f} of 1)")
    alone = change.added if change.shifted else None
    then, where = (alone, "in the new rows") if alone else (new, "now")
    if (old.minimum, old.maximum) != (then.minimum, then.maximum):
        said.append(f"range {_range(old)}, {where} {_range(then)}{_unit_in_doubt(old, then)}")
    if change.added and _more_missing(old, change.added):
        said.append(
            f"**missing {change.added.missing:.2%} in the new rows**, {old.missing:.2%} before"
        )
    elif old.missing != new.missing:
        said.append(f"missing {old.missing:.2%}, now {new.missing:.2%}")
    return said


def _more_missing(old: Summary, added: Summary) -> bool:
    """Whether it is more than chance: a share in a few rows varies."""
    error = math.sqrt(old.missing * (1 - old.missing) / added.rows)
    return added.missing > old.missing + MISSING_ERRORS * error


def _unit_in_doubt(old: Summary, new: Summary) -> str:
    """A question where the largest value is about ten, a hundred, … times what it was, or less."""
    ends = [each.maximum for each in (old, new) if isinstance(each.maximum, float)]
    if len(ends) < 2 or min(ends) <= 0:
        return ""
    power = math.log10(ends[1] / ends[0])
    tens = round(power)
    if not tens or abs(power - tens) > UNIT_TOLERANCE:
        return ""
    often = "times more" if tens > 0 else "times less"
    return f" (about {10 ** abs(tens):,} {often}: **has the unit changed?**)"


def _range(summary: Summary) -> str:
    ends = (summary.minimum, summary.maximum)
    return " to ".join(f"{each:.6g}" if isinstance(each, float) else str(each) for each in ends)
