"""The rules of one column, applied piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.dataset.values import as_type
from ci.dataset.violation import EXAMPLES

if TYPE_CHECKING:
    import pyarrow as pa

    from ci.contract.dataset import DatasetColumn


@dataclass
class Tally:
    """How many rows break a rule, and the numbers (from 1) of the first three."""

    count: int = 0
    rows: list[int] = field(default_factory=list)


class ColumnCheck:
    """Counts the rows of one column that break its rules."""

    def __init__(self, rules: DatasetColumn) -> None:
        self.rules = rules
        self.rows = 0
        self.tallies: dict[str, Tally] = {}
        self._categories = _array(rules.categories) if rules.categories else None

    def add(self, raw: pa.Array, start: int) -> pa.Array:
        """Check the next rows, of which the first is number ``start``; returns typed values."""
        import pyarrow.compute as pc

        values, bad = as_type(raw, self.rules.type)
        self.rows += len(raw)
        if raw.null_count:
            self._count("missing", pc.is_null(raw), start)
        self._count("type", bad, start)
        self._count_values(values, start)
        return values

    def broken(self) -> dict[str, Tally]:
        """Rule → rows that break it; ``missing`` only above the allowed share."""
        allowed = self.rules.missing * self.rows
        return {
            rule: tally
            for rule, tally in self.tallies.items()
            if rule != "missing" or tally.count > allowed
        }

    def expected(self, rule: str) -> str:
        """What the rule says, as a part of a sentence."""
        rules = self.rules
        unit = f" {rules.unit}" if rules.unit else ""
        missing = self.tallies.get("missing", Tally())
        wording = {
            "type": f"no {rules.type}",
            "missing": (
                f"missing, {_share(missing.count / self.rows)} of all where "
                f"{_share(rules.missing)} may be"
            ),
            "minimum": f"below the minimum {_number(rules.minimum)}{unit}",
            "maximum": f"above the maximum {_number(rules.maximum)}{unit}",
            "categories": f"none of the categories {_list(rules.categories or [])}",
        }
        return wording[rule]

    def _count_values(self, values: pa.Array, start: int) -> None:
        import pyarrow.compute as pc

        if self.rules.minimum is not None:
            self._count("minimum", pc.less(values, self.rules.minimum), start)
        if self.rules.maximum is not None:
            self._count("maximum", pc.greater(values, self.rules.maximum), start)
        if self._categories is not None:
            known = pc.is_in(values, value_set=self._categories)
            self._count("categories", pc.and_(pc.is_valid(values), pc.invert(known)), start)

    def _count(self, rule: str, broken: pa.Array | None, start: int) -> None:
        import pyarrow.compute as pc

        count = pc.sum(broken).as_py() if broken is not None else 0
        if not count:
            return
        tally = self.tallies.setdefault(rule, Tally())
        tally.count += count
        if len(tally.rows) < EXAMPLES:
            places = pc.indices_nonzero(broken)[: EXAMPLES - len(tally.rows)]
            tally.rows += [start + place for place in places.to_pylist()]


def _array(values: list[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"


def _share(part: float) -> str:
    return f"{100 * part:.3g} %"


def _list(values: list[str]) -> str:
    more = f" and {len(values) - 8} more" if len(values) > 8 else ""
    return ", ".join(values[:8]) + more
