"""Drift that was planted, and none: measured with the real NannyML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ci.contract.model import ModelContract
from ci.contract.monitoring import MonitoringPolicy
from ci.monitor.alerts import is_alert, signals, worse_chunks
from ci.monitor.chunks import TARGET, TIME
from ci.monitor.conclude import Found
from ci.monitor.drift import measure
from ci.monitor.measures import TOGETHER
from ci.monitor.performance import performance
from ci.monitor.periods import Periods
from ci.monitor.quirks import quiet_nannyml
from tests.support.repositories import contract

POLICY = MonitoringPolicy()
WEEKS = {"reference": ("2017-09-11", 8), "analysis": ("2017-11-06", 9)}
ROWS_A_WEEK = 400
RISK = 0.001
CONTRACT = ModelContract.model_validate(
    contract(
        "planted",
        input={
            "price": {"type": "number", "unit": "dollars"},
            "visits": {"type": "number", "nullable": True},
            "shelf": {"type": "string", "categories": ["top", "middle", "low", "floor"]},
            "promoted": {"type": "boolean"},
            "household": {"type": "integer", "pii": True},
        },
        monitoring={
            "timestamp": "week",
            "chunk": "week",
            "reference": "evaluation/reference.csv",
            "analysis": "evaluation/analysis.csv",
            "target": "actual",
        },
    )
)
RULES = CONTRACT.monitoring


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_nannyml():
        yield


def period(kind: str, seed: int) -> pd.DataFrame:
    start, weeks = WEEKS[kind]
    rows = ROWS_A_WEEK * weeks
    noise = np.random.default_rng(seed)
    visits = noise.normal(8, 2, rows)
    price = noise.lognormal(1, 0.5, rows)
    days = pd.date_range(start, periods=weeks * 7)
    return pd.DataFrame(
        {
            "price": price,
            "visits": np.where(noise.random(rows) < 0.1, np.nan, visits),
            "shelf": noise.choice(["top", "middle", "low"], rows, p=[0.5, 0.3, 0.2]),
            "promoted": (noise.random(rows) < 0.3).astype(object),
            "household": noise.integers(1, 2500, rows).astype(float),
            TIME: np.repeat(days, -(-rows // len(days)))[:rows],
            "y": price * 2,
            TARGET: price * 2 + noise.normal(0, 0.5, rows),
        }
    )


def periods(seed: int, **planted: Any) -> Periods:
    analysis = period("analysis", seed + 1000)
    for name, plant in planted.items():
        analysis[name] = plant(analysis[name])
    return Periods(period("reference", seed), analysis)


def measured(found: Periods, policy: MonitoringPolicy = POLICY) -> Found:
    assert RULES is not None
    return measure(CONTRACT, RULES, policy, found)


def alerting(found: Periods, policy: MonitoringPolicy = POLICY) -> set[str]:
    found_signals = signals(measured(found, policy).measures, POLICY.alert)
    names = {signal.name for signal in found_signals if signal.alert}
    assert is_alert(found_signals, [], POLICY.alert) is bool(names)
    return names


@pytest.mark.parametrize("seed", range(5))
def test_no_shift_is_no_alert(seed: int) -> None:
    assert alerting(periods(seed)) == set()


def swapped(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.map({"top": "low", "middle": "middle", "low": "top"})


def half_missing(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.where(np.random.default_rng(1).random(len(values)) > 0.12)


PLANTED = {
    "half a standard deviation": ("visits", lambda values: values + 1),
    "a doubled missing rate": ("visits", half_missing),
    "a swapped category": ("shelf", swapped),
    "a new category": ("shelf", lambda values: values.where(values != "low", "floor")),
    "cents for dollars": ("price", lambda values: values * 100),
    "more promotions": ("promoted", lambda values: values.map(lambda _: True)),
}


@pytest.mark.parametrize("case", list(PLANTED))
def test_what_was_planted_is_named(case: str) -> None:
    column, plant = PLANTED[case]
    assert alerting(periods(7, **{column: plant})) - {TOGETHER} == {column}


def test_realised_error_over_its_limit_is_an_alert_and_the_usual_one_is_not() -> None:
    assert RULES is not None
    usual = performance(CONTRACT, RULES, periods(3), RISK)
    assert len(usual["estimated"]) == len(usual["realised"]) == WEEKS["analysis"][1]
    assert worse_chunks(usual["realised"], POLICY.alert) == []
    off = performance(CONTRACT, RULES, periods(3, **{TARGET: lambda values: values + 2}), RISK)
    assert len(worse_chunks(off["realised"], POLICY.alert)) == POLICY.alert.of


def test_a_ranking_is_watched_by_the_contracts_own_metric() -> None:
    ranking = ModelContract.model_validate(
        contract(
            "ranked",
            task="ranking",
            output={"first": {"type": "integer"}, "second": {"type": "integer"}},
            evaluation={**contract("x")["evaluation"], "metric": "precision", "target": "bought"},
            monitoring={**RULES.model_dump(), "target": "bought"} if RULES else None,
        )
    )

    def bought(kind: str, good: int) -> pd.DataFrame:
        table = period(kind, 1)
        half = np.arange(len(table)) % 2 == 0
        hits = np.where(half | (np.arange(len(table)) % 10 < good), "1 9", "9")
        return table.assign(first=1, second=2, **{TARGET: hits})

    assert ranking.monitoring is not None
    rules = ranking.monitoring
    usual = Periods(bought("reference", 3), bought("analysis", 3))
    found = performance(ranking, rules, usual, RISK)
    assert found["estimated"] == []
    assert len(found["realised"]) == WEEKS["analysis"][1]
    assert found["realised"][0].value == pytest.approx(0.3, abs=0.02)
    assert found["realised"][0].chunk == "2017-11-06/2017-11-12"
    assert worse_chunks(found["realised"], POLICY.alert) == []
    worse = usual.analysis.assign(**{TARGET: "9"})
    off = performance(ranking, rules, Periods(usual.reference, worse), RISK)
    assert len(worse_chunks(off["realised"], POLICY.alert)) == POLICY.alert.of


def test_what_is_not_measured_is_named_with_its_reason() -> None:
    assert RULES is not None
    empty = periods(5, visits=lambda values: values * np.nan)
    left_out = {each.name: each.reason for each in measured(empty).unmeasured}
    assert left_out == {
        "household": "an identifier, or personal data",
        "visits": "has no values in one of the periods",
    }
