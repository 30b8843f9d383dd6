"""What a contract allows in a column, and rows held against it: the same for API and batch.

A column's rules are a plain mapping with the keys of a column in `contract.json`: type, unit,
minimum, maximum, categories, nullable, example and the like; absent or None means no rule.
"""

from __future__ import annotations

import difflib
import math
import sys
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Rules = Mapping[str, Any]

INTEGER_LIMIT = 2**31 - 1
MOST_PROBLEMS = 100
SHOWN_CATEGORIES = 12
SHOWN_NAME = 80
TYPES: Mapping[str, frozenset[type]] = {
    "number": frozenset({float, int}),
    "integer": frozenset({float, int}),
    "boolean": frozenset({bool}),
    "string": frozenset({str}),
}


@dataclass(frozen=True)
class RowProblem:
    """One thing that is wrong: ``index`` counts rows from 0, ``column`` is None for a whole row."""

    index: int
    column: str | None
    problem: str


class RowsError(ValueError):
    """Rows that the contract does not allow; at most ``MOST_PROBLEMS`` problems, in row order."""

    def __init__(self, problems: list[RowProblem]) -> None:
        first = problems[0]
        place = f"row {first.index}" + (f", column {first.column}" if first.column else "")
        super().__init__(f"{place}: {first.problem}")
        self.problems = problems


def problem_of(rules: Rules, value: Any) -> str | None:
    """Why ``value`` is not allowed in this column, or None where it is.

    A whole float such as 3.0 is an integer; a boolean is no number.
    """
    kind = rules["type"]
    if value is None:
        return None if rules.get("nullable") else "must not be missing"
    if not _has_type(value, kind):
        return f"must be {'an' if kind == 'integer' else 'a'} {kind}"
    if kind == "string":
        return _text_problem(rules, value)
    if kind == "integer" and abs(value) > INTEGER_LIMIT:
        return f"must be within ±{INTEGER_LIMIT}"
    return _range_problem(rules, value)


def _has_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "number":
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return kind == "string" and isinstance(value, str)


def _text_problem(rules: Rules, value: str) -> str | None:
    categories = rules.get("categories")
    if categories is not None and value not in categories:
        shown = ", ".join(categories[:SHOWN_CATEGORIES])
        more = len(categories) - SHOWN_CATEGORIES
        return f"must be one of {shown}" + (f" and {more} more" if more > 0 else "")
    # R can't hold this character in a string.
    return "must not contain the character U+0000" if "\0" in value else None


def _range_problem(rules: Rules, value: float) -> str | None:
    minimum, maximum = rules.get("minimum"), rules.get("maximum")
    if minimum is not None and value < minimum:
        return f"must be at least {minimum:.15g}"
    if maximum is not None and value > maximum:
        return f"must be at most {maximum:.15g}"
    return None


def sample(rules: Rules) -> bool | int | float | str:
    """A value that this column allows: the example, or one derived from the rules."""
    example: bool | int | float | str | None = rules.get("example")
    if example is not None:
        return example
    if rules.get("categories"):
        return str(rules["categories"][0])
    if rules["type"] == "boolean":
        return True
    if rules["type"] == "string":
        return "example"
    low = rules.get("minimum")
    if low is None:
        low = min(0.0, rules.get("maximum") or 0.0)
    return math.ceil(low) if rules["type"] == "integer" else float(low)


def check_rows(columns: Mapping[str, Rules], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """The values of ``rows`` by column, in the contract's order; None where missing.

    ``rows`` are mappings as JSON gives them; a nullable column may be absent. Raises RowsError.
    """
    names = dict.fromkeys(columns).keys()
    if not set(map(type, rows)) <= {dict}:
        raise RowsError(list(islice(_row_problems(columns, rows), MOST_PROBLEMS)))
    if any(row.keys() != names for row in rows):  # a list is faster than a generator here
        values = {name: [row.get(name) for row in rows] for name in columns}
        whole = not any(row.keys() - names for row in rows)
    else:
        values = {name: [row[name] for row in rows] for name in columns}
        whole = True
    if whole and all(fits(rules, values[name]) for name, rules in columns.items()):
        return {name: tidy(rules, values[name]) for name, rules in columns.items()}
    problems = list(islice(_row_problems(columns, rows), MOST_PROBLEMS))
    if problems:
        raise RowsError(problems)
    return {name: tidy(rules, values[name]) for name, rules in columns.items()}


def check_columns(
    columns: Mapping[str, Rules], values: Mapping[str, Sequence[Any]]
) -> dict[str, list[Any]]:
    """The same for values that come by column, all of one length, such as a file's.

    ``values`` has every column of the contract, as Python scalars with None where missing; others
    are left out. Raises RowsError.
    """
    wrong = {name: rules for name, rules in columns.items() if not fits(rules, values[name])}
    if wrong:
        table = zip(*(values[name] for name in wrong), strict=True)
        rows = [dict(zip(wrong, row, strict=True)) for row in table]
        problems = list(islice(_row_problems(wrong, rows), MOST_PROBLEMS))
        if problems:
            raise RowsError(problems)
    return {name: tidy(rules, values[name]) for name, rules in columns.items()}


def fits(rules: Rules, values: Sequence[Any]) -> bool:
    """Whether all values are allowed, in few passes; False may also mean "look closer"."""
    types = set(map(type, values))
    if type(None) in types:
        if not rules.get("nullable"):
            return False
        types.discard(type(None))
        values = [value for value in values if value is not None]
    if not types <= TYPES[rules["type"]]:
        return False
    if not types or rules["type"] == "boolean":
        return True
    if rules["type"] == "string":
        return _texts_fit(rules, values)
    return _numbers_fit(rules, values, types)


def _texts_fit(rules: Rules, values: Sequence[str]) -> bool:
    if rules.get("categories") is not None:
        return set(values) <= set(rules["categories"])
    return "\0" not in "".join(values)


def _numbers_fit(rules: Rules, values: Sequence[float], types: set[type]) -> bool:
    integer = rules["type"] == "integer"
    try:
        if integer and float in types and not all(map(float.is_integer, map(float, values))):
            return False
        if not all(map(math.isfinite, values)):
            return False
    except OverflowError:  # a whole number beyond the range of a double
        return False
    low, high = min(values), max(values)
    if integer and not -INTEGER_LIMIT <= low <= high <= INTEGER_LIMIT:
        return False
    return _range_problem(rules, low) is None and _range_problem(rules, high) is None


def tidy(rules: Rules, values: Sequence[Any]) -> list[Any]:
    """Values that the column allows, with whole floats of an integer column as integers."""
    if rules["type"] == "integer" and float in set(map(type, values)):
        return [None if value is None else int(value) for value in values]
    return list(values)


def _row_problems(columns: Mapping[str, Rules], rows: Sequence[Any]) -> Iterator[RowProblem]:
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            yield RowProblem(index, None, "must be an object of column names and values")
            continue
        for name in sorted(row.keys() - columns.keys()):
            yield RowProblem(index, name[:SHOWN_NAME], _unknown(name, list(columns)))
        for name, rules in columns.items():
            problem = problem_of(rules, row.get(name))
            if problem:
                yield RowProblem(index, name, problem)


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name[:SHOWN_NAME], names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"its columns are {', '.join(names)}"
    return f"is not a column of this model; {hint}"
