"""How far predictions lie apart: what versions are, and not who asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import mul
from typing import Any

import numpy as np
import pytest

from ci.targets.shift import Predicted, differ, shift

TOLERANCE = 0.1


def asked(
    function: Callable[[float], Any], values: Iterable[float], *, whole: bool = True
) -> Predicted:
    seen = Predicted(whole)
    for value in values:
        number = float(value)
        seen.add({"inputs": {"x": [number]}, "predictions": [function(number)]})
    return seen


def sample(seed: int, size: int = 200) -> Iterable[float]:
    return np.random.default_rng(seed).gamma(2.0, size=size)


def label(value: float) -> str:
    return "abc"[min(int(value), 2)]


@pytest.mark.parametrize("function", [lambda x: 2 * x, label, lambda x: {"a": x, "b": label(x)}])
def test_one_function_asked_by_two_groups_is_no_shift(function: Callable[[float], Any]) -> None:
    found = [
        shift(asked(function, sample(2 * seed)), asked(function, sample(2 * seed + 1)), TOLERANCE)
        for seed in range(50)
    ]
    assert max(found) < 0.05


def test_other_functions_are_one() -> None:
    assert shift(asked(lambda x: 9 * x, sample(1)), asked(lambda x: x, sample(2)), TOLERANCE) > 0.5
    assert shift(asked(lambda _: "a", sample(1)), asked(label, sample(2)), TOLERANCE) > 0.2
    one, other = (
        asked(lambda x: {"a": x, "b": 7}, sample(1)),
        asked(lambda x: {"a": x, "b": 1}, sample(2)),
    )
    assert shift(one, other, TOLERANCE) > 0.5


def test_a_small_difference_of_numbers_is_none() -> None:
    one, other = asked(lambda x: 1.09 * x, sample(1)), asked(lambda x: x, sample(1))
    assert shift(one, other, TOLERANCE) == 0
    assert shift(one, other, 0.0) > 0
    lower = asked(lambda x: -1.09 * x, sample(1)), asked(lambda x: -x, sample(1))
    assert shift(*lower, TOLERANCE) == 0


def test_one_row_asked_again_and_again_says_what_it_can() -> None:
    rows = [5.0] * 40
    assert shift(asked(lambda x: x, rows), asked(lambda x: x, rows), TOLERANCE) == 0
    assert shift(asked(lambda x: 2 * x, rows), asked(lambda x: x, rows), TOLERANCE) == 1


def test_a_caller_who_asks_one_row_all_the_time_moves_nothing() -> None:
    noisy = [*sample(1), *[50.0] * 5000]
    assert shift(asked(lambda x: x, noisy), asked(lambda x: x, sample(2)), TOLERANCE) < 0.05


def test_few_callers_with_rows_of_their_own_prove_nothing() -> None:
    low, high = [1.0, 2.0, 3.0] * 100, [10.0, 20.0, 30.0] * 100
    assert shift(asked(lambda x: x, low), asked(lambda x: x, high), TOLERANCE) <= 0


def test_where_the_log_leaves_something_out_the_same_row_is_not_the_same() -> None:
    rows = [5.0] * 40
    one, other = (asked(partial(mul, by), rows, whole=False) for by in (2, 1))
    assert shift(one, other, TOLERANCE) <= 0, "one prediction each"


def test_nothing_is_no_shift() -> None:
    assert shift(Predicted(), asked(label, sample(1)), TOLERANCE) == 0


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        (1.0, 1.05, False),
        (1.0, 1.2, True),
        (0, 0.0, False),
        ("a", "b", True),
        (True, False, True),
        ({"a": 1, "b": "x"}, {"a": 1.01, "b": "x"}, False),
        ({"a": 1, "b": "x"}, {"a": 1, "b": "y"}, True),
        ({"a": 1}, 1, True),
    ],
)
def test_what_differs(one: Any, other: Any, different: bool) -> None:
    assert differ(one, other, TOLERANCE) is different
