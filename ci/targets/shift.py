"""How far the predictions of two versions lie apart, beyond what chance and callers explain.

Each distinct row counts once, whoever asks it how often. Two versions that are the same function
can differ no more than the rows that they were asked, and rarely more than two samples of their
size do: the smaller of the two is taken off.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROWS = 50_000
# Two samples of the same differ by more than this over the root of their size once in 100 times.
CHANCE = 1.63


@dataclass
class Predicted:
    """The distinct rows that a version was asked, each with its newest prediction.

    ``whole``: the log has all that a prediction follows from, and no personal data is left out.
    """

    whole: bool = True
    calls: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, entry: dict[str, Any]) -> None:
        """Take in a call of the prediction log."""
        self.calls += 1
        columns = list(entry["inputs"].values())
        for number, prediction in enumerate(entry["predictions"]):
            if len(self.rows) >= MOST_ROWS:
                return
            row = [column[number] for column in columns]
            key = json.dumps(row if self.whole else [row, prediction])
            self.rows[key] = outputs(prediction)


def outputs(prediction: Any) -> dict[str, Any]:
    """A prediction by output column; the only one has no name in an answer."""
    return prediction if isinstance(prediction, dict) else {"": prediction}


def differ(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two predictions are different, and not by ``tolerance`` of a number only."""
    first, second = outputs(one), outputs(other)
    return first.keys() != second.keys() or any(
        _differ(first[name], second[name], tolerance) for name in first
    )


def shift(new: Predicted, old: Predicted, tolerance: float) -> float:
    """The share of predictions that lies elsewhere, of the output where it is largest."""
    if not new.rows or not old.rows:
        return 0.0
    mix = 1 - len(new.rows.keys() & old.rows.keys()) / max(len(new.rows), len(old.rows))
    found = 0.0
    for name in next(iter(new.rows.values())):
        one, other = (
            [row[name] for row in each.rows.values() if name in row] for each in (new, old)
        )
        if one and other:
            apart, chance = _apart(one, other, tolerance)
            found = max(found, apart - min(chance, mix if new.whole else 1.0))
    return found


def _apart(one: Sequence[Any], other: Sequence[Any], tolerance: float) -> tuple[float, float]:
    """How far two samples are apart, from 0 to 1, and how far chance alone could bring them."""
    sizes = 1 / len(one) + 1 / len(other)
    if all(_is_number(each) for each in (*one, *other)):
        apart = max(_ahead(one, other, tolerance), _ahead(other, one, tolerance))
        return apart, CHANCE * math.sqrt(sizes)
    first, second = Counter(one), Counter(other)
    labels = first.keys() | second.keys()
    shares = [abs(first[each] / len(one) - second[each] / len(other)) for each in labels]
    usual = (math.sqrt(len(labels) / len(one)) + math.sqrt(len(labels) / len(other))) / 2
    return sum(shares) / 2, usual + CHANCE * math.sqrt(sizes)


def _ahead(one: Sequence[float], other: Sequence[float], tolerance: float) -> float:
    """The largest share by which ``one`` is lower than ``other``, by more than ``tolerance``."""
    import numpy as np

    first, second = np.sort(np.asarray(one, float)), np.sort(np.asarray(other, float))
    below = np.arange(1, len(first) + 1) / len(first)
    reached = np.searchsorted(second, first + tolerance * np.abs(first), side="right")
    return float(np.max(below - reached / len(second)))


def _differ(one: Any, other: Any, tolerance: float) -> bool:
    if _is_number(one) and _is_number(other):
        return bool(abs(one - other) > tolerance * max(abs(one), abs(other)))
    return bool(one != other)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)
