"""The month again with rows: NannyML measures each day, and outcomes come late, twice or never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ci.contract.model import ARTIFACT, load_model_contract
from ci.evaluate.candidate import Servable
from ci.files import write_json
from ci.monitor.conclude import as_dict
from ci.monitor.drift import check_drift
from ci.monitor.issues import read_drift
from tests.workflows.test_drift_month import DAYS, FIRST, Month, month

__all__ = ["month"]
ROWS, KEPT_DAYS, LATE_DAYS = 120, 12, 2
PREDICT = """
def load_model(directory):
    return 2.0

def predict(model, rows):
    return model * rows["price"]
"""
RULES = {
    "timestamp": "day",
    "chunk": "day",
    "target": "actual",
    "outcomes": {"table": "evaluation/outcomes.csv", "key": ["order"], "arrived": "came"},
    "reference": "evaluation/reference.csv",
    "analysis": "evaluation/analysis.csv",
}


def day_of(number: int) -> str:
    return (FIRST + timedelta(days=number - 1)).date().isoformat()


def sold(number: int) -> pd.DataFrame:
    """What was predicted and really happened on a day; before day 1 it is the reference."""
    draw = np.random.default_rng([7, number + 100])
    price = draw.lognormal(1, 0.5, ROWS)
    actual = price * 2 + draw.normal(0, 0.5, ROWS)
    return pd.DataFrame(
        {
            "order": [f"{number}-{row}" for row in range(ROWS)],
            "day": day_of(number),
            "price": price,
            "shelf": draw.choice(["top", "middle", "low"], ROWS, p=[0.5, 0.3, 0.2]),
            "promoted": draw.random(ROWS) < 0.3,
            "actual": actual,
        }
    )


# What is planted, by day: cents for dollars, shelves that change places, one noisy day, and a week
# in which people buy otherwise than the model learnt.
CENTS, SWAPPED, NOISY, OTHERWISE = range(8, 13), range(9, 12), (17,), range(20, 24)


def as_it_came(number: int) -> pd.DataFrame:
    rows = sold(number)
    if number in CENTS:
        rows["price"] *= 100
    if number in SWAPPED:
        rows["shelf"] = rows["shelf"].replace({"top": "low", "low": "top"})
    if number in NOISY:
        rows["promoted"] = True
    if number in OTHERWISE:
        rows["actual"] *= 1.5
    return rows


def outcomes(until: int) -> pd.DataFrame:
    """Those known on a day: two days late, every tenth never, every twentieth first a wrong one."""
    every = pd.concat([as_it_came(n) for n in range(-3, until - LATE_DAYS + 1)])
    known = every[["order", "actual"]].assign(came=every["day"])[np.arange(len(every)) % 10 > 0]
    wrong = known[::20].assign(actual=-50, came=day_of(0))
    nobody = pd.DataFrame({"order": ["x-1"], "actual": [3.0], "came": [day_of(1)]})
    return pd.concat([known, wrong, nobody])


@dataclass
class RealMonth:
    """The month of the model `orders`, each check made of the days before it."""

    month: Month
    headlines: dict[int, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.month.repository.model_dir("orders") / "evaluation"

    def check(self) -> Any:
        day = self.month.day
        newest = range(max(1, day - KEPT_DAYS), day)
        rows = pd.concat([as_it_came(each) for each in newest]).drop(columns="actual")
        rows.to_csv(self.folder / "analysis.csv", index=False)
        outcomes(day - 1).to_csv(self.folder / "outcomes.csv", index=False)
        checked = check_drift(self.month.repository, "orders", now=self.month.now)
        self.headlines[day] = checked.headline
        if checked.raised:
            self.month.happened("alarm")
        path = self.month.hub.folder / "drift-orders" / "drift.json"
        write_json(path, as_dict(checked))
        return read_drift(path, self.month.repository.model_names())

    def day(self, check: bool = True) -> None:
        if check:
            self.month.issues([self.check()])
            self.month.retrain()
        self.month.now += timedelta(days=1)

    def issues(self) -> dict[str, list[str]]:
        """Of each issue what it is about, and how its comments begin."""
        return {
            each["title"].removeprefix("Drift in orders: "): [
                said["body"].split()[0]
                for said in self.month.hub.comments
                if said["number"] == number
            ]
            for number, each in self.month.hub.issues.items()
            if not each["pull"]
        }


@pytest.fixture
def real(month: Month, monkeypatch: pytest.MonkeyPatch) -> RealMonth:
    repository = month.repository
    folder = repository.model_dir("orders")
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    contract["monitoring"] = RULES
    contract["input"] = {
        "price": {"type": "number", "minimum": 0, "maximum": 60},
        "shelf": {"type": "string", "categories": ["top", "middle", "low"]},
        "promoted": {"type": "boolean"},
    }
    contract["retraining"]["triggers"] = ["drift", "performance"]
    (folder / "model.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    (folder / "predict.py").write_text(PREDICT)
    (folder / ARTIFACT).mkdir()
    (folder / "evaluation").mkdir(exist_ok=True)
    before = pd.concat([sold(number) for number in range(-27, 1)])
    before.to_csv(folder / "evaluation" / "reference.csv", index=False)

    def servable(*_: object) -> Servable:
        rules = load_model_contract(repository, "orders")
        return Servable(folder / "predict.py", folder / ARTIFACT, rules, 1, "1" * 40)

    monkeypatch.setattr("ci.monitor.drift._servable", servable)
    # An estimate is shown and never alerts, and it is most of the time that a check takes.
    monkeypatch.setattr("ci.monitor.performance.estimated", lambda *_: [])
    return RealMonth(month)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_month_of_rows_and_outcomes_is_three_alarms_and_two_retrainings(real: RealMonth) -> None:
    real.day(check=False)
    for _ in range(DAYS):
        real.day()
    days = real.month.days
    assert days["alarm"] == [10, 11, 23], "cents, then shelves too, then bad predictions"
    assert days["orders: pull request"] == [10, 23]
    assert len(real.month.hub.pulls) == 2
    assert real.issues() == {
        "price (kolmogorov smirnov)": ["Green"],
        "all columns together (reconstruction error)": ["Green"],
        "price (forbidden values)": ["Green"],
        "shelf (jensen shannon)": ["Green"],
        "realised mae": ["Green"],
    }
    quiet = {day for day, said in real.headlines.items() if said.startswith("No alert")}
    assert quiet == {*range(2, 10), *range(15, 23), 29, 30, 31}
    assert "shelf, all columns together drifted" in real.headlines[12]
    assert "drifts any more (promoted over the threshold, but not in" in real.headlines[18]
    assert "chunks from 2026-03-20" in real.headlines[23], "its outcomes came two days later"


def test_what_came_and_went_between_two_checks_is_told_and_asks_for_no_retraining(
    real: RealMonth,
) -> None:
    for _ in range(18):
        real.day(check=real.month.day in (7, 18))
    assert real.headlines[7] == "No alert for orders: none of its 4 measured columns drifted."
    assert real.headlines[18].startswith("No alert for orders any more, but since the last check: ")
    assert "price" in real.headlines[18]
    assert "shelf" in real.headlines[18]
    assert "promoted" not in real.headlines[18], "one noisy day is none"
    assert real.issues() == {
        "price (kolmogorov smirnov)": ["Over"],
        "all columns together (reconstruction error)": ["Over"],
        "price (forbidden values)": ["Over"],
        "shelf (jensen shannon)": ["Over"],
    }
    assert {each["state"] for each in real.month.hub.issues.values()} == {"closed"}
    assert "alarm" not in real.month.days
    assert real.month.hub.pulls == {}
