"""Rows held against a contract: one set of rules, by value, by row and by column."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.rows import (
    MOST_PROBLEMS,
    RowProblem,
    RowsError,
    check_columns,
    check_rows,
    problem_of,
    sample,
)

NUMBER = {"type": "number", "minimum": 0, "maximum": 10}
INTEGER = {"type": "integer", "nullable": True}
STRING = {"type": "string", "categories": ["a", "b"]}
TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean", "nullable": True}
COLUMNS: dict[str, dict[str, Any]] = {
    "x": NUMBER,
    "n": INTEGER,
    "g": STRING,
    "t": TEXT,
    "b": BOOLEAN,
}
GOOD = {"x": 1.5, "n": 2, "g": "a", "t": "ü", "b": True}


@pytest.mark.parametrize(
    ("rules", "value", "problem"),
    [
        (NUMBER, 0, None),
        (NUMBER, 10.0, None),
        (NUMBER, -0.001, "must be at least 0"),
        (NUMBER, 10.001, "must be at most 10"),
        ({"type": "number", "maximum": 2_500_000}, 3e6, "must be at most 2500000"),
        (NUMBER, None, "must not be missing"),
        (NUMBER, "1", "must be a number"),
        (NUMBER, True, "must be a number"),
        (NUMBER, math.nan, "must be a number"),
        ({"type": "number"}, math.inf, "must be a number"),
        ({"type": "number"}, 10**400, "must be a number"),
        ({"type": "number"}, sys.float_info.max, None),
        (INTEGER, None, None),
        (INTEGER, 3.0, None),
        (INTEGER, 3.5, "must be an integer"),
        (INTEGER, False, "must be an integer"),
        (INTEGER, 2**31 - 1, None),
        (INTEGER, 2**31, "must be within ±2147483647"),
        (INTEGER, -(2**31), "must be within ±2147483647"),
        (STRING, "c", "must be one of a, b"),
        (STRING, 1, "must be a string"),
        (TEXT, "", None),
        (TEXT, "a\0b", "must not contain the character U+0000"),
        (BOOLEAN, 1, "must be a boolean"),
        (BOOLEAN, False, None),
        ({"type": "string", "categories": [f"c{i}" for i in range(20)]}, "x", "and 8 more"),
    ],
)
def test_a_value_is_refused_in_words(
    rules: dict[str, Any], value: object, problem: str | None
) -> None:
    found = problem_of(rules, value)
    assert (found is None) if problem is None else (problem in str(found))
    columns = {"x": rules}
    if problem is None:
        assert check_rows(columns, [{"x": value}]) == {"x": [value]}
        assert check_columns(columns, {"x": [value]}) == {"x": [value]}
        return
    checks: list[Callable[[], object]] = [
        lambda: check_rows(columns, [{"x": value}]),
        lambda: check_columns(columns, {"x": [value]}),
    ]
    for check in checks:
        with pytest.raises(RowsError) as caught:
            check()
        assert caught.value.problems == [RowProblem(0, "x", str(found))]


def test_values_come_by_column_in_the_contracts_order_with_none_where_missing() -> None:
    rows = [{"b": None, "g": "b", "x": 0, "t": ""}, dict(reversed(GOOD.items()))]
    assert list(check_rows(COLUMNS, rows).items()) == [
        ("x", [0, 1.5]),
        ("n", [None, 2]),
        ("g", ["b", "a"]),
        ("t", ["", "ü"]),
        ("b", [None, True]),
    ]


def test_whole_floats_become_integers_and_missing_stays_missing() -> None:
    values = check_rows({"n": INTEGER}, [{"n": 2.0}, {"n": None}, {"n": 3}])["n"]
    assert values == [2, None, 3]
    assert [type(value) for value in values] == [int, type(None), int]


def test_problems_are_in_row_order_and_name_the_nearest_column() -> None:
    rows = [GOOD, GOOD | {"xx": 1, "g": "z"}, [1], GOOD | {"x": None}]
    with pytest.raises(RowsError) as caught:
        check_rows(COLUMNS, rows)
    assert [(each.index, each.column) for each in caught.value.problems] == [
        (1, "xx"),
        (1, "g"),
        (2, None),
        (3, "x"),
    ]
    assert "did you mean x?" in caught.value.problems[0].problem
    assert str(caught.value).startswith("row 1, column xx: ")


def test_an_unknown_column_in_place_of_a_nullable_one_is_found() -> None:
    row = {key: value for key, value in GOOD.items() if key != "n"}
    with pytest.raises(RowsError, match="column m: is not a column"):
        check_rows(COLUMNS, [row | {"m": 1}])


def test_at_most_a_hundred_problems_are_reported() -> None:
    with pytest.raises(RowsError) as caught:
        check_rows(COLUMNS, [{}] * 1000)
    assert len(caught.value.problems) == MOST_PROBLEMS


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.sampled_from([10**400, -(10**400)]),
    st.floats(),
    st.sampled_from(["a", "b", "c", "", "a\0"]),
)
RULES = st.builds(
    lambda kind, nullable, low, high: (
        {"type": kind, "nullable": nullable}
        | ({"minimum": low, "maximum": low + high} if kind in ("number", "integer") else {})
        | ({"categories": ["a", "b"]} if kind == "string" and high > 5 else {})
    ),
    st.sampled_from(["number", "integer", "boolean", "string"]),
    st.booleans(),
    st.integers(-10, 0),
    st.integers(0, 10),
)


@given(RULES, st.lists(VALUES, min_size=1, max_size=6))
def test_many_values_at_once_are_judged_as_one_by_one(
    rules: dict[str, Any], values: list[Any]
) -> None:
    wrong = [i for i, value in enumerate(values) if problem_of(rules, value)]
    checks: list[Callable[[], object]] = [
        lambda: check_rows({"x": rules}, [{"x": value} for value in values]),
        lambda: check_columns({"x": rules}, {"x": values}),
    ]
    for check in checks:
        try:
            check()
            found = []
        except RowsError as error:
            found = [each.index for each in error.problems]
        assert found == wrong


@given(RULES)
def test_the_sample_of_a_column_is_allowed(rules: dict[str, Any]) -> None:
    assert problem_of(rules, sample(rules)) is None


def test_a_sample_is_the_example_where_there_is_one() -> None:
    assert sample(NUMBER | {"example": 4}) == 4
    assert sample({"type": "number", "maximum": -3}) == -3
