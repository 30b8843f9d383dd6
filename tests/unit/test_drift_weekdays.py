"""Days of a shop whose Saturdays are not as its Mondays: drift shows, and Saturdays are none."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from tests.unit.test_drift_edges import PREDICT, Checks, alerts, checks, of, period

__all__ = ["checks"]
ROWS, FROM = 80, "2026-05-20"  # a Wednesday
LEVELS = [1.0, 1.05, 1.1, 1.2, 2.2, 3.0, 0.5]
NOTE = "A day is compared with the same weekday of the reference."


def shop(start: str, days: int, seed: int) -> pd.DataFrame:
    """Prices by weekday; on Mondays, the wholesale day, every second shelf is not known."""
    table = period(start, days, ROWS, seed)
    weekday = pd.to_datetime(table["day"]).dt.day_of_week
    table["price"] = table["price"] * weekday.map(lambda day: LEVELS[day])
    table["actual"] = table["price"] * 2
    mondays = (weekday == 0) & (table.index % 2 == 0)
    return table.assign(shelf=table["shelf"].where(~mondays))


@pytest.fixture
def year(checks: Checks) -> tuple[Checks, pd.DataFrame]:
    checks.rules(chunk="day", target=None)
    return checks, shop("2026-01-05", 17 * 7, 3)


def test_half_a_standard_deviation_shows_on_its_first_day(
    year: tuple[Checks, pd.DataFrame],
) -> None:
    checks, before = year
    now = shop("2026-05-04", 28, 5)
    quiet = checks.drift(before, now)
    assert not quiet["alert"], quiet["headline"]
    assert quiet["notes"] == [NOTE]
    late = now["day"] >= FROM
    price = now["price"].where(~late, now["price"] + before["price"].std() / 2)
    found = checks.drift(before, now.assign(price=price))
    signal = of(found, "price", "kolmogorov_smirnov")
    assert signal["alert"]
    assert (signal["chunks_over"][0], signal["alarms"][0]) == (FROM, "2026-05-21")


def test_what_is_missing_on_one_weekday_only_is_missed_on_others(
    year: tuple[Checks, pd.DataFrame],
) -> None:
    checks, before = year
    now = shop("2026-05-04", 28, 5)
    late = (now["day"] >= FROM) & (now.index % 5 == 0)
    found = checks.drift(before, now.assign(shelf=now["shelf"].where(~late)))
    signal = of(found, "shelf", "missing_values")
    assert signal["chunks_over"][0] == FROM
    assert signal["alert"]


def test_a_weekday_that_the_reference_hardly_has_is_compared_with_all_of_it(
    year: tuple[Checks, pd.DataFrame],
) -> None:
    checks, before = year
    sundays = pd.to_datetime(before["day"]).dt.day_of_week == 6
    closed = before[~sundays | (before["day"] > "2026-04-20")]
    found = checks.drift(closed, shop("2026-05-04", 28, 5).assign(promoted=True))
    assert alerts(found) >= {"promoted"}
    assert len(of(found, "promoted", "jensen_shannon")["chunks_over"]) == 28


def test_few_weeks_are_one_reference(year: tuple[Checks, pd.DataFrame]) -> None:
    checks, before = year
    found = checks.drift(before[before["day"] < "2026-03-30"], shop("2026-05-04", 28, 5))
    assert found["notes"] == []


def test_households_that_the_reference_has_once_are_not_followed(checks: Checks) -> None:
    folder = checks.repository.model_dir("small")
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    contract |= {"task": "segmentation", "output": {"y": {"type": "string"}}}
    contract["evaluation"] |= {"metric": "spend_explained", "unit": "home"}
    contract["monitoring"].pop("target")
    (folder / "model.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    bands = '["low" if each < 2 else "high" for each in rows["price"]]'
    (folder / "predict.py").write_text(PREDICT.replace('model * rows["price"].fillna(0)', bands))
    before, now = period("2026-01-05", 42, seed=3), period("2026-02-16", 21, seed=1)
    found = checks.drift(before.assign(home=before.index), now.assign(home=now.index))
    assert not found["alert"]
    assert "kept_segment" not in {each["method"] for each in found["features"]}
