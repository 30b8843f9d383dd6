"""What the shipped policy promises of any data: quiet where nothing changed, at once where it did.

The shops are drawn, each with other distributions, sizes and differences between its weeks; the
limits know nothing of them but their reference.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ci.contract.model import ModelContract
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.monitor.alerts import Signal, is_alert, signals, worse_chunks
from ci.monitor.chunks import TARGET, TIME
from ci.monitor.drift import measure
from ci.monitor.periods import Periods
from ci.repository import Repository
from tests.support.repositories import contract

ROOT = Path(__file__).parents[2]
SHOPS = {"corner": (250, 8, 0.0), "town": (600, 6, 0.05), "large": (1500, 12, 0.1)}
CHECKS, SOME_CHECKS, PER_CENT = 200, 4, 2
RESPONSE = {
    "price": {"type": "number", "minimum": 0, "maximum": 500},
    "visits": {"type": "integer", "minimum": 0},
    "distance": {"type": "number", "nullable": True},
    "department": {"type": "string", "categories": ["GROCERY", "PRODUCE", "MEAT", "DELI"]},
    "product": {"type": "string"},
    "loyal": {"type": "boolean"},
}


def shop(name: str, seed: int = 0, weeks: int | None = None, start: str = "2022-01-03") -> Any:
    """Rows of so many weeks; the level of prices differs a little between them."""
    rows, usual_weeks, between = SHOPS[name]
    draw, weeks = np.random.default_rng([seed, rows]), weeks or usual_weeks
    size = rows * weeks
    level = np.repeat(draw.normal(0, between, weeks), rows)
    price = draw.lognormal(2 + level, 0.6, size)
    table = pd.DataFrame(
        {
            "price": price,
            "visits": draw.poisson(6, size).astype(float),
            "distance": np.where(draw.random(size) < 0.08, np.nan, draw.gamma(2, 3, size)),
            "department": draw.choice(
                ["GROCERY", "PRODUCE", "MEAT", "DELI"], size, p=[0.5, 0.25, 0.15, 0.1]
            ),
            "product": [f"p{value}" for value in draw.zipf(1.5, size) % 300],
            "loyal": (draw.random(size) < 0.4).astype(object),
            TIME: np.repeat(pd.date_range(start, periods=weeks, freq="7D"), rows),
            "y": price * 1.5,
            TARGET: price * 1.5 + draw.normal(0, 3, size),
        }
    )
    return table.astype({"department": object, "product": object})


def model(target: str | None) -> ModelContract:
    periods = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}
    rules = {"timestamp": "week", "chunk": "week", "target": target, **periods}
    return ModelContract.model_validate(contract("shop", input=RESPONSE, monitoring=rules))


def policy() -> MonitoringPolicy:
    """The shipped one."""
    return load_policy(Repository(ROOT), MonitoringPolicy)


def checked(
    reference: Any, analysis: Any, target: str | None = None, **forbidden: Any
) -> tuple[bool, dict[tuple[str, str], Signal]]:
    """Whether it is an alert, and the signals by name and method."""
    watched = model(target)
    assert watched.monitoring
    rule = policy()
    found = measure(watched, watched.monitoring, rule, Periods(reference, analysis, forbidden))
    each = signals(found.measures, rule.alert)
    worse = worse_chunks(found.performance["realised"], rule.alert)
    return is_alert(each, worse, rule.alert), {(s.name, s.method): s for s in each}


def resampled(reference: Any, seed: int) -> Any:
    """Rows of the reference, drawn again."""
    rows = reference.sample(len(reference), replace=True, random_state=seed)
    return rows.reset_index(drop=True).assign(**{TIME: reference[TIME].to_numpy()})


def false_alarms(name: str, checks: int, target: str | None) -> list[Any]:
    reference = shop(name)
    found = [checked(reference, resampled(reference, seed), target) for seed in range(checks)]
    return [[s for s in each.values() if s.alert] for alert, each in found if alert]


@pytest.mark.parametrize("name", list(SHOPS))
def test_a_few_resampled_references_are_no_alert(name: str) -> None:
    assert false_alarms(name, SOME_CHECKS, target=None) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", list(SHOPS))
def test_of_200_resampled_references_two_per_cent_at_most_are_alerts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An estimate is shown and never alerts, and it is most of the time that a check takes.
    monkeypatch.setattr("ci.monitor.performance.estimated", lambda *_: [])
    found = false_alarms(name, CHECKS, target="actual")
    assert len(found) <= CHECKS * PER_CENT / 100, found


def shifted(values: Any) -> Any:
    return values + values.std() / 2


def missing_twice(values: Any) -> Any:
    more = values.isna().mean() / values.notna().mean()
    return values.where(np.random.default_rng(3).random(len(values)) >= more)


def swapped(values: Any) -> Any:
    return values.replace({"GROCERY": "MEAT", "MEAT": "GROCERY"})


PLANTED: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "half a standard deviation": ("visits", "kolmogorov_smirnov", shifted),
    "twice as many missing values": ("distance", "missing_values", missing_twice),
    "a swapped category": ("department", "jensen_shannon", swapped),
    "cents for dollars": ("price", "kolmogorov_smirnov", lambda values: values * 100),
}
FIRST = 2


@pytest.mark.parametrize("case", list(PLANTED))
@pytest.mark.parametrize("name", list(SHOPS))
def test_what_is_planted_is_flagged_in_its_first_chunk_and_alerted(name: str, case: str) -> None:
    column, method, change = PLANTED[case]
    analysis = shop(name, seed=7, weeks=6, start="2022-06-06")
    weeks = analysis[TIME].dt.to_period("W")
    changed = weeks >= weeks.unique()[FIRST]
    analysis[column] = analysis[column].where(~changed, change(analysis[column]))
    over = analysis[column] > 500 if column == "price" else analysis[column].isna() & False
    alert, found = checked(shop(name), analysis, **{column: over})
    signal = found[column, method]
    assert alert
    assert signal.alert
    assert str(weeks.unique()[FIRST]) in signal.chunks_over
    assert set(signal.chunks_over) <= set(map(str, weeks.unique()[FIRST:]))
    if case == "cents for dollars":
        assert found[column, "forbidden_values"].alert
