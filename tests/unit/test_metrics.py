"""Each metric against scikit-learn or its definition written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from ci.contract.model import METRICS_OF_TASK
from ci.errors import MlopsError
from ci.evaluate.metrics import METRICS, Floats, Ranking, value_of

RANDOM = np.random.default_rng(3)
ROWS = 400
ACTUAL = RANDOM.gamma(2.0, 10.0, ROWS)
GUESS = ACTUAL + RANDOM.normal(1.0, 5.0, ROWS)
YES = (RANDOM.random(ROWS) < 0.3).astype(float)
PROBABILITY = np.round(np.clip(YES * 0.3 + RANDOM.random(ROWS) * 0.7, 0, 1), 2)  # with ties


def value(name: str, truth: Any, guess: Any, rows: int = ROWS) -> float:
    return value_of(METRICS[name].measure(truth, guess), rows)


def test_every_metric_a_contract_may_name_exists() -> None:
    assert set(METRICS) == {name for names in METRICS_OF_TASK.values() for name in names}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mae", sk.mean_absolute_error(ACTUAL, GUESS)),
        ("rmse", sk.root_mean_squared_error(ACTUAL, GUESS)),
        ("bias", float(np.mean(GUESS - ACTUAL))),
        ("wape", float(np.abs(GUESS - ACTUAL).sum() / np.abs(ACTUAL).sum())),
    ],
)
def test_regression(name: str, expected: float) -> None:
    assert value(name, ACTUAL, GUESS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_loss", sk.log_loss(YES, PROBABILITY)),
        ("brier", sk.brier_score_loss(YES, PROBABILITY)),
        ("accuracy", sk.accuracy_score(YES, PROBABILITY >= 0.5)),
        ("f1", sk.f1_score(YES, PROBABILITY >= 0.5)),
        ("roc_auc", sk.roc_auc_score(YES, PROBABILITY)),
    ],
)
def test_binary(name: str, expected: float) -> None:
    assert value(name, YES, PROBABILITY) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("mae", sk.mean_absolute_error),
        ("roc_auc", sk.roc_auc_score),
        ("log_loss", sk.log_loss),
    ],
)
def test_a_resample_equals_the_metric_of_the_rows_repeated(
    name: str, score: Callable[..., float]
) -> None:
    truth, guess = (ACTUAL, GUESS) if name == "mae" else (YES, PROBABILITY)
    codes = np.arange(ROWS, dtype=np.intp) % 40
    counts = RANDOM.integers(0, 4, 40)
    rows = np.repeat(np.arange(ROWS), counts[codes])
    resampled = (
        METRICS[name].measure(truth, guess).resampler(codes, 40)(counts[None, :].astype(float))
    )
    assert resampled[0] == pytest.approx(score(truth[rows], guess[rows]), rel=1e-10)


def test_a_slice_is_the_metric_of_its_rows() -> None:
    rows = RANDOM.random(ROWS) < 0.5
    for name, truth, guess in (("rmse", ACTUAL, GUESS), ("roc_auc", YES, PROBABILITY)):
        part = METRICS[name].measure(truth, guess).take(rows)
        assert value_of(part, int(rows.sum())) == value(
            name, truth[rows], guess[rows], int(rows.sum())
        )


def test_labels_are_compared_as_they_are() -> None:
    truth = np.array(["a", "b", "c", "a"], dtype=object)
    guess = np.array(["a", "b", "a", "a"], dtype=object)
    assert value("accuracy", truth, guess, 4) == sk.accuracy_score(list(truth), list(guess)) == 0.75


def test_ranking() -> None:
    truth = [["1", "2", "3"], ["9"], ["5"]]
    guess = Ranking([["2", "7", "1"], ["8", "9", "9"], ["6", "7"]], 3)
    assert value("precision", truth, guess, 3) == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert value("hit_rate", truth, guess, 3) == pytest.approx(2 / 3)
    discount = 1 / np.log2([2, 3, 4])
    first = (discount[0] + discount[2]) / discount.sum()
    assert value("ndcg", truth, guess, 3) == pytest.approx((first + discount[1]) / 3)


def test_ndcg_agrees_with_scikit_learn() -> None:
    relevance = (RANDOM.random((50, 8)) < 0.4).astype(int)
    relevance[:, 0] = 1
    score = RANDOM.random((50, 8))
    truth = [[str(item) for item in np.flatnonzero(row)] for row in relevance]
    items = [[str(item) for item in row] for row in np.argsort(-score, axis=1)]
    expected = sk.ndcg_score(relevance, score, k=5)
    assert value("ndcg", truth, Ranking(items, 5), 50) == pytest.approx(expected, rel=1e-12)


def test_an_item_named_twice_counts_once_and_surplus_items_do_not_count() -> None:
    guess = Ranking([["1", "1"], ["7", "8", "2"]], 2)
    assert value("precision", [["1"], ["2"]], guess, 2) == pytest.approx(0.25)


def test_spend_explained_is_eta_squared() -> None:
    spend = ACTUAL + 1e6  # far from zero, where plain sums of squares would lose digits
    segment = np.array(["a", "b", "c"])[np.digitize(ACTUAL, [10, 25])]
    means = {name: spend[segment == name].mean() for name in set(segment)}
    between = sum((means[name] - spend.mean()) ** 2 for name in segment)
    expected = between / ((spend - spend.mean()) ** 2).sum()
    assert value("spend_explained", spend, segment) == pytest.approx(expected, rel=1e-9)


def test_a_segment_a_row_is_refused() -> None:
    with pytest.raises(MlopsError, match="300 different segments"):
        value("spend_explained", ACTUAL[:300], np.arange(300), 300)


@pytest.mark.parametrize(
    ("name", "truth", "guess"),
    [
        ("mae", ACTUAL, np.where(np.arange(ROWS) == 7, np.nan, GUESS)),
        ("wape", np.zeros(ROWS), GUESS),
        ("accuracy", YES, np.where(np.arange(ROWS) == 7, np.nan, PROBABILITY)),
        ("f1", YES, np.where(np.arange(ROWS) == 7, np.nan, PROBABILITY)),
        ("roc_auc", YES, np.where(np.arange(ROWS) == 7, np.nan, PROBABILITY)),
        ("roc_auc", np.ones(ROWS), PROBABILITY),
        ("spend_explained", np.ones(ROWS), np.array(["a", "b"] * (ROWS // 2))),
    ],
)
def test_what_is_undefined_is_not_a_number(name: str, truth: Floats, guess: NDArray[Any]) -> None:
    assert np.isnan(value(name, truth, guess))


@pytest.mark.parametrize(
    ("name", "good", "bad"), [("mae", 1.0, 2.0), ("accuracy", 0.9, 0.8), ("bias", -0.5, 2.0)]
)
def test_quality_is_higher_for_the_better(name: str, good: float, bad: float) -> None:
    quality = METRICS[name].quality(np.array([good, bad]))
    assert quality[0] > quality[1]
