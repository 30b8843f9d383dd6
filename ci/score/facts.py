"""What a run remembers of its predictions for the report; parts add up to the whole."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from bentos.frames import Frame
    from ci.contract.model import ModelContract

    Facts = dict[str, Any]

POINTS = 201
MOST_LABELS = 1000
EXTREMES = 10
SHOWN_COLUMNS = 6


def is_quantity(contract: ModelContract, output: str) -> bool:
    """Whether the output is an amount, of which a mean makes sense, and no label."""
    kind = contract.output[output].type
    return kind == "number" or (kind == "integer" and contract.task == "regression")


def shown_columns(contract: ModelContract, names: Sequence[str]) -> list[str]:
    """The columns that say in a report which row it is; personal data only where it is the id."""
    ids = contract.batch.id_columns if contract.batch else []
    free = [n for n in names if not (n in contract.input and contract.input[n].pii)]
    return list(ids) or free[:SHOWN_COLUMNS]


def extremes_of(table: pa.Table, output: str, shown: list[str], highest: bool) -> list[Any]:
    """The rows with the highest (or lowest) predictions: ``[prediction, cells]``."""
    import numpy as np

    values = table.column(output).to_numpy()
    if not len(values):
        return []
    signed = -values if highest else values
    most = min(EXTREMES, len(values))
    near = np.sort(np.argpartition(signed, most - 1)[:most])
    order = near[np.argsort(signed[near], kind="stable")]
    cells = table.select(shown).take(order).to_pylist()
    return [[float(values[row]), cell] for row, cell in zip(order, cells, strict=True)]


def facts_of(contract: ModelContract, answers: Sequence[Frame]) -> Facts:
    """The distribution of each output over the pieces of a part."""
    import numpy as np

    facts = {}
    for name in contract.output:
        values = np.concatenate([answer.columns[name].values for answer in answers])
        facts[name] = _numbers(values) if is_quantity(contract, name) else _labels(values)
    return facts


def _numbers(values: np.ndarray[Any, Any]) -> Facts:
    import numpy as np

    if not len(values):
        return {"count": 0, "sum": 0.0, "points": []}
    places = np.linspace(0, len(values) - 1, POINTS).round().astype(int)
    points = np.sort(values)[places]
    return {
        "count": len(values),
        "sum": float(np.sum(values, dtype=np.float64)),
        "points": [[float(point), len(values) / POINTS] for point in points],
    }


def _labels(values: np.ndarray[Any, Any]) -> Facts:
    import pandas as pd

    counts = pd.Series(values).value_counts(sort=False)
    return {"count": len(values), "labels": _most(dict(zip(counts.index, counts, strict=True)))}


def _most(counts: dict[Any, Any]) -> dict[str, int]:
    """The most frequent labels, as many as a report could show."""
    often = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {str(label): int(number) for label, number in often[:MOST_LABELS]}


def merged(parts: Sequence[Facts]) -> Facts:
    """The facts of all parts as those of the whole."""
    return {name: _merged([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _merged(facts: list[Facts]) -> Facts:
    count = sum(each["count"] for each in facts)
    if "labels" in facts[0]:
        labels: dict[str, int] = {}
        for each in facts:
            for label, number in each["labels"].items():
                labels[label] = labels.get(label, 0) + number
        return {"count": count, "labels": _most(labels)}
    points = sorted(point for each in facts for point in each["points"])
    mean = math.fsum(each["sum"] for each in facts) / count if count else None
    return {"count": count, "mean": mean, "quantiles": _quantiles(points)}


def _quantiles(points: list[list[float]]) -> list[float]:
    """Evenly spread quantiles of weighted points, the least and the greatest value included."""
    if not points:
        return []
    total = sum(weight for _, weight in points)
    found, passed = [], 0.0
    place = 0
    for step in range(POINTS):
        wanted = total * step / (POINTS - 1)
        while place < len(points) - 1 and passed + points[place][1] < wanted:
            passed += points[place][1]
            place += 1
        found.append(points[place][0])
    found[-1] = points[-1][0]
    return found


def best(rows: Sequence[list[Any]], highest: bool) -> list[list[Any]]:
    """The most extreme of rows that came from several pieces, in order."""
    sign = -1 if highest else 1
    return heapq.nsmallest(EXTREMES, rows, key=lambda row: sign * row[0])
