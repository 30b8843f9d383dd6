"""Rows that break a contract, made from the contract itself."""

from __future__ import annotations

from typing import Any

from bentos.rows import INTEGER_LIMIT
from ci.contract.columns import Column
from ci.contract.model import ModelContract

ABSENT = object()


def bad_values(column: Column) -> dict[str, Any]:
    """What is wrong → a value that breaks the column's rules in that way; ABSENT: no value."""
    numeric = column.type in ("number", "integer")
    found: dict[str, Any] = {"another type": 7 if column.type in ("string", "boolean") else "seven"}
    found["an object"] = {"value": 7}
    if not column.nullable:
        found |= {"null": None, "absent": ABSENT}
    if numeric:
        found |= {"a boolean": True, "a number as text": "7"}
    if column.type == "integer":
        found |= {"a fraction": (column.minimum or 0) + 0.5, "too long": INTEGER_LIMIT + 1}
    if numeric and column.minimum is not None:
        found["below the minimum"] = column.minimum - _more(column.minimum)
    if numeric and column.maximum is not None:
        found["above the maximum"] = column.maximum + _more(column.maximum)
    if column.categories:
        found |= {"an unknown category": "no such category", "empty": ""}
    return found


def _more(bound: float) -> float:
    """What takes a value over ``bound``: of a large one, 1 is lost in rounding."""
    return max(1.0, abs(bound) / 100)


def bad_rows(contract: ModelContract) -> list[tuple[str, str, dict[str, Any]]]:
    """Every such row: the column that must be named, what is wrong with it, and the row."""
    good = contract.example_row()
    found = [
        (name, problem, _changed(good, name, value))
        for name, column in contract.input.items()
        for problem, value in bad_values(column).items()
    ]
    unknown = "a_column_that_nobody_has"
    return [*found, (unknown, "unknown", {**good, unknown: 1})]


def _changed(row: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    kept = {key: each for key, each in row.items() if key != name}
    return kept if value is ABSENT else {**kept, name: value}
