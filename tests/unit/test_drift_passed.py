"""Drift that began and ended between two checks is told, though no newest chunk has it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ci.cli.run import run as mlops
from ci.contract.monitoring import AlertRule
from ci.monitor.alerts import signals
from ci.monitor.history import newest_metrics
from ci.monitor.measures import Measure
from ci.monitor.passed import Passed, passed_columns, passed_performance, with_passed
from ci.monitor.runs import Run
from tests.unit.test_drift_edges import Checks, checks, period

__all__ = ["checks"]
RULE = AlertRule()
DAYS = [f"2026-03-{day:02}" for day in range(1, 32)]


def measured(pattern: str, name: str = "price", **changes: Any) -> list[Measure]:
    """A day for each letter; x is over the limit."""
    return [
        replace(
            Measure(name, "kolmogorov_smirnov", day, 0.4, None, 0.1, 0.02, True, f"{day}T23:59"),
            value=0.4 if letter == "x" else 0.02,
            alert=letter == "x",
            **changes,
        )
        for day, letter in zip(DAYS, pattern, strict=False)
    ]


def check(
    measures: list[Measure], columns: tuple[str, ...] = (), passed: tuple[str, ...] = ()
) -> Run:
    return Run(
        time=datetime(2026, 3, 1, tzinfo=UTC),
        kind="drift",
        version=1,
        alert=bool(columns),
        raised=bool(columns),
        columns=list(columns),
        passed=list(passed),
        headline="",
        metrics=newest_metrics(measures),
    )


def found(pattern: str, last: Run | None, rule: AlertRule = RULE) -> list[list[str]]:
    measures = measured(pattern)
    each = signals(measures, rule)
    alert = any(signal.alert for signal in each)
    passed = passed_columns(each, measures, rule, last, alert)
    return [[chunk[-2:] for chunk in one.chunks_over] for one in passed]


@pytest.mark.parametrize(
    ("before", "columns", "now", "told"),
    [
        ("-------", "", "--------------", []),
        ("-------", "", "--------xx----", [["09", "10"]]),
        ("-------", "", "--------x-----", []),  # one noisy chunk is none
        ("-------", "", "--------x-x---", [["09", "11"]]),
        ("------x", "", "------xx------", [["07", "08"]]),
        ("-------", "", "---xx---------", []),  # it was there when the last check looked
        ("-----xx", "price", "-----xx-------", []),  # ... and alerted then
        ("-----xx", "price", "-----xxx------", [["06", "07", "08"]]),
        ("-------", "", "------xx------", [["07", "08"]]),  # that day was not whole then
        ("-------", "", "------------xx", []),  # it alerts now
        ("-------", "", "-------xx---xx", []),
        ("-------", "", "-------xx---xxx----xx-----", [["08", "09", "13", "14", "15", "20", "21"]]),
    ],
)
def test_every_chunk_since_the_last_check_is_judged(
    before: str, columns: str, now: str, told: list[list[str]]
) -> None:
    assert found(now, check(measured(before), tuple(columns.split()))) == told


def test_what_was_not_measured_before_was_looked_for_with_the_rest() -> None:
    """Forbidden values are measured where there are any."""
    assert found("--xx----", check(measured("-", "shelf"))) == [["03", "04"]]
    assert found("--xx----", check(measured("------", "shelf"))) == []


def test_the_first_check_has_nothing_to_look_back_to() -> None:
    assert found("--xx----", None) == []
    assert found("--xx----", check([])) == []
    old = measured("-", until=None)
    assert found("--xx----", check(old)) == [], "the history of an older release knows no time"


def test_what_was_told_is_not_told_again() -> None:
    assert found("-----xx---", check(measured("-----x"))) == [["06", "07"]]
    assert found("-----xx---", check(measured("------x"), passed=("price",))) == []
    assert found("-----xx---", check(measured("-----xx---"), passed=("price",))) == []


def test_as_many_columns_as_the_policy_asks_for_must_have_drifted_together() -> None:
    rule, last = AlertRule(features=2), check([*measured("-"), *measured("-", "shelf")])

    def told(shelf: str) -> set[str]:
        measures = [*measured("--xx------"), *measured(shelf, "shelf")]
        passed = passed_columns(signals(measures, rule), measures, rule, last, False)
        return {each.name for each in passed}

    assert told("----------") == set()
    assert told("------xx--") == set()
    assert told("--xx------") == {"price", "shelf"}


def test_chunks_of_rows_are_followed_by_their_times_wherever_they_lie_in_the_file() -> None:
    def rows(*ends: tuple[str, str]) -> list[Measure]:
        return [
            replace(each, chunk=f"[{40 * at}:{40 * at + 39}]", until=end)
            for at, (end, letter) in enumerate(ends)
            for each in measured(letter)
        ]

    last = check(rows(("2026-03-01T08", "-"), ("2026-03-02T08", "-"), ("2026-03-03T08", "-")))
    now = rows(*((f"2026-03-{day:02}T09", letter) for day, letter in enumerate("-xxx---", 2)))
    passed = passed_columns(signals(now, RULE), now, RULE, last, False)
    assert [each.chunks_over for each in passed] == [["[40:79]", "[80:119]", "[120:159]"]]
    older = rows(*((f"2026-02-{day:02}T09", letter) for day, letter in enumerate("xxx---", 2)))
    assert passed_columns(signals(older, RULE), older, RULE, last, False) == []


def errors(pattern: str) -> list[Measure]:
    changes: dict[str, Any] = {"method": "realised", "usual": 0.1}
    return [replace(each, **changes) for each in measured(pattern, "mae")]


def test_a_bad_day_between_two_checks_is_told_once_its_targets_are_in() -> None:
    last = check(errors("---"))
    [passed] = passed_performance(errors("-----x-----"), RULE, last)
    assert passed == Passed("mae", "realised", 0.4, 0.1, "2026-03-06", ["2026-03-06"])
    assert passed_performance(errors("-x---------"), RULE, last) == []
    assert passed_performance(errors("-----x"), RULE, None) == []
    none_yet = check(measured("--------"))
    assert len(passed_performance(errors("-x------"), RULE, none_yet)) == 1


def test_the_headline_never_reads_as_if_nothing_had_been() -> None:
    price = Passed("price", "jensen_shannon", 0.4, 0.1, DAYS[2], DAYS[1:4])
    error = Passed("mae", "realised", 0.4, 0.1, DAYS[7], DAYS[7:8])
    assert with_passed("All well.", "orders", [], False) == "All well."
    assert with_passed("All well.", "orders", [error, price], False) == (
        "No alert for orders any more, but since the last check: its average error was worse than "
        "usual, on 2026-03-08; price drifted, between 2026-03-02 and "
        "2026-03-04."
    )
    assert with_passed("Alert.", "orders", [price], True) == (
        "Alert. And since the last check, but not any more: price drifted, between 2026-03-02 and "
        "2026-03-04."
    )


def test_two_days_of_wrong_prices_between_two_weekly_checks_are_in_the_report_and_the_history(
    checks: Checks,
) -> None:
    checks.rules(chunk="day", target=None)
    before = period("2026-01-05", 42, rows=60, seed=3)
    now = period("2026-02-16", 21, rows=60, seed=1)
    wrong = now["day"].isin(["2026-02-25", "2026-02-26"])
    now["price"] = now["price"].where(~wrong, now["price"] * 100)

    def weekly(days: int) -> dict[str, Any]:
        return checks.drift(before, now.head(days * 60))

    first, second, again = weekly(7), weekly(14), weekly(14)
    assert [each["alert"] for each in (first, second, again)] == [False] * 3
    assert (first["passed"], again["passed"]) == ([], [])
    told = {(each["name"], each["method"]): each for each in second["passed"]}
    assert told["price", "kolmogorov_smirnov"]["chunks_over"] == ["2026-02-25", "2026-02-26"]
    assert "price" in second["headline"]
    assert second["headline"].startswith("No alert for small any more, but since the last check: ")
    assert again["headline"].startswith("No alert for small: none of its")
    assert mlops(["drift-history", "small", "--json"]) == 0
    runs = json.loads(checks.capture.readouterr().out)["runs"]
    assert ["price" in run["passed"] for run in runs] == [False, True, False]
    ends = {metric["until"][:10] for metric in runs[0]["metrics"]}
    assert ends == {"2026-02-22"}
    assert datetime.fromisoformat(runs[0]["time"]) > datetime.now(UTC) - timedelta(hours=1)
