"""The interval: paired, over whole units, and honest where it can't be had."""

from __future__ import annotations

import numpy as np
import pytest

from ci.evaluate.bootstrap import Interval, Pair, paired_intervals
from ci.evaluate.metrics import METRICS, Codes, Floats


def pair(name: str, truth: Floats, candidate: Floats, reference: Floats) -> Pair:
    metric = METRICS[name]
    return Pair(metric, metric.measure(truth, candidate), metric.measure(truth, reference))


def interval(
    name: str,
    truth: Floats,
    candidate: Floats,
    reference: Floats,
    codes: Codes | None = None,
    unit: str = "row",
) -> Interval:
    codes = np.arange(len(truth), dtype=np.intp) if codes is None else codes
    return paired_intervals([pair(name, truth, candidate, reference)], codes, unit)[0]


def bounds(found: Interval) -> tuple[float, float]:
    assert found.bounds
    return found.bounds


RANDOM = np.random.default_rng(11)
TRUTH = RANDOM.normal(100, 10, 500)
NEAR = TRUTH + RANDOM.normal(0, 2, 500)
FAR = TRUTH + RANDOM.normal(0, 4, 500)


@pytest.mark.parametrize("name", ["mae", "rmse", "wape"])
def test_positive_is_better(name: str) -> None:
    assert bounds(interval(name, TRUTH, NEAR, FAR))[0] > 0
    assert bounds(interval(name, TRUTH, FAR, NEAR))[1] < 0


def test_bias_is_better_nearer_to_zero_from_either_side() -> None:
    assert interval("bias", TRUTH, TRUTH - 1, TRUTH + 3).bounds == pytest.approx((2, 2))


def test_the_same_model_twice_differs_by_exactly_nothing() -> None:
    assert interval("mae", TRUTH, NEAR, NEAR).bounds == (0.0, 0.0)


def test_the_mean_has_the_interval_that_theory_gives() -> None:
    gain = np.abs(FAR - TRUTH) - np.abs(NEAR - TRUTH)
    half = 1.96 * gain.std() / np.sqrt(len(gain))
    low, high = bounds(interval("mae", TRUTH, NEAR, FAR))
    assert (low + high) / 2 == pytest.approx(gain.mean(), abs=half / 10)
    assert (high - low) / 2 == pytest.approx(half, rel=0.08)


def test_whole_units_are_drawn() -> None:
    """Rows of a unit err alike: drawing rows would make the interval about ten times too short."""
    codes = np.repeat(np.arange(20, dtype=np.intp), 100)
    truth = np.zeros(2000)
    candidate = 5 + RANDOM.normal(0, 1, 20)[codes]
    reference = np.full(2000, 5.0)
    low, high = bounds(interval("mae", truth, candidate, reference, codes))
    by_unit = high - low
    low, high = bounds(interval("mae", truth, candidate, reference))
    assert by_unit == pytest.approx(10 * (high - low), rel=0.3)


def test_the_seed_is_fixed_and_other_metrics_beside_it_change_nothing() -> None:
    alone = interval("mae", TRUTH, NEAR, FAR)
    pairs = [pair("rmse", TRUTH, NEAR, FAR), pair("mae", TRUTH, NEAR, FAR)]
    assert paired_intervals(pairs, np.arange(500), "row")[1].bounds == pytest.approx(alone.bounds)


def test_blocks_of_replicates_give_the_same_as_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = interval("mae", TRUTH, NEAR, FAR)
    monkeypatch.setattr("ci.evaluate.bootstrap.CELLS_AT_ONCE", 500 * 7)
    assert interval("mae", TRUTH, NEAR, FAR).bounds == pytest.approx(whole.bounds)


def test_one_unit_has_no_interval_and_says_why() -> None:
    found = interval("mae", TRUTH, NEAR, FAR, np.zeros(500, dtype=np.intp), "week")
    assert found.bounds is None
    assert "at least two different values of week" in str(found.note)


def test_few_units_say_so() -> None:
    few = interval("mae", TRUTH, NEAR, FAR, np.arange(500, dtype=np.intp) % 4, "week")
    assert few.bounds is not None
    assert "only 4 values of week" in str(few.note)
    assert interval("mae", TRUTH, NEAR, FAR).note is None


def test_not_a_number_gives_no_interval() -> None:
    broken = np.where(np.arange(500) == 3, np.nan, NEAR)
    found = interval("mae", TRUTH, broken, FAR)
    assert found.bounds is None
    assert "undefined" in str(found.note)
