"""Outcomes that arrive after the prediction: late, never, twice, and of nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ci.contract.model import ModelContract, Monitoring
from ci.errors import MlopsError
from ci.monitor.chunks import TARGET, TIME
from ci.monitor.outcomes import join
from ci.monitor.performance import performance
from ci.monitor.periods import Periods
from ci.monitor.quirks import quiet_nannyml
from tests.support.repositories import contract

PERIODS = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}


def model(**outcomes: Any) -> tuple[ModelContract, Monitoring]:
    named = {"table": "outcomes.csv", "key": ["order"], **outcomes}
    rules = {"timestamp": "day", "chunk": "week", "target": "actual", "outcomes": named, **PERIODS}
    found = ModelContract.model_validate(contract("orders", monitoring=rules))
    assert found.monitoring
    return found, found.monitoring


def joined(folder: Path, outcomes: str, rows: pd.DataFrame, **keys: Any) -> tuple[list[Any], str]:
    (folder / "outcomes.csv").write_text(outcomes)
    watched, rules = model(**keys)
    assert rules.outcomes
    found = join(watched, rules.outcomes, "actual", folder, rows)
    return [None if pd.isna(value) else value for value in found.values], found.said


ROWS = pd.DataFrame({"order": ["a", "b", "c", "a"]}, index=[7, 5, 3, 1])


def test_an_outcome_finds_its_predictions_and_what_is_late_stays_open(tmp_path: Path) -> None:
    values, said = joined(tmp_path, "order,actual\nb,2\na,1\nc,\n", ROWS)
    assert values == ["1", "2", None, "1"]
    assert said == "outcomes of 3 of 4 rows are known (outcomes.csv)"


def test_of_outcomes_that_came_twice_the_last_counts_and_those_of_nobody_are_said(
    tmp_path: Path,
) -> None:
    values, said = joined(tmp_path, "order,actual\na,1\na,1\nb,2\nb,3\nx,9\ny,9\n", ROWS)
    assert values == ["1", "3", None, "1"]
    assert "1 came again with another value" in said
    assert "2 belong to no row here" in said
    assert "1 belongs to no row here" in joined(tmp_path, "order,actual\na,1\nx,9\n", ROWS)[1]
    dated = "order,actual,seen\nb,3,2026-02-03\nb,2,2026-02-01\n"
    assert joined(tmp_path, dated, ROWS, arrived="seen")[0] == [None, "3", None, None]
    assert joined(tmp_path, dated, ROWS)[0] == [None, "2", None, None]


def test_a_key_of_several_columns_is_the_same_as_number_and_as_text(tmp_path: Path) -> None:
    rows = pd.DataFrame({"request_id": ["r1", "r1"], "row": [1, 2]})
    key = ["request_id", "row"]
    assert joined(tmp_path, "request_id,row,actual\nr1,2,5\n", rows, key=key)[0] == [None, "5"]


@pytest.mark.parametrize(
    ("outcomes", "keys", "said"),
    [
        ("order,y\na,1\n", {}, "it has no column actual"),
        ("number,actual\na,1\n", {}, "it has no column order"),
        ("order,actual\na,1\n", {"key": ["basket"]}, "its key basket is no column"),
        ("order,actual,seen\na,1,soon\n", {"arrived": "seen"}, "seen has a value that is no ISO"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(
    tmp_path: Path, outcomes: str, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(MlopsError, match=said) as caught:
        joined(tmp_path, outcomes, ROWS, **keys)
    assert caught.value.code == "bad_outcomes"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    watched, rules = model()
    assert rules.outcomes
    with pytest.raises(MlopsError, match=r"orders/outcomes\.csv can't be joined: the file is miss"):
        join(watched, rules.outcomes, "actual", tmp_path, ROWS)


def test_outcomes_without_a_target_are_refused() -> None:
    with pytest.raises(ValueError, match="outcomes need target"):
        Monitoring(
            timestamp="day",
            chunk="week",
            outcomes={"table": "o.csv", "key": ["a"]},
            **PERIODS,
        )


def test_a_week_whose_outcomes_are_mostly_open_is_not_judged() -> None:
    found, rules = model()
    draw = np.random.default_rng(1)

    def weeks(start: str, number: int) -> pd.DataFrame:
        x1 = draw.lognormal(1, 0.5, number * 100)
        days = np.repeat(pd.date_range(start, periods=number, freq="7D"), 100)
        columns = dict.fromkeys(found.input, x1)
        truth = x1 + draw.normal(0, 0.5, len(x1))
        return pd.DataFrame({**columns, TIME: days, "y": x1, TARGET: truth})

    analysis = weeks("2026-03-02", 2)
    analysis.loc[130:, TARGET] = np.nan
    with quiet_nannyml():
        known = performance(found, rules, Periods(weeks("2026-01-05", 6), analysis), 0.001)
    assert [each.chunk[:10] for each in known["realised"]] == ["2026-03-02"]
    assert len(known["estimated"]) == 2
