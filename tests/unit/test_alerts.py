"""The policy's word on chunks: which of them make an alert."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from ci.contract.monitoring import AlertRule
from ci.evaluate.metrics import METRICS
from ci.monitor.alerts import earlier, headline, holds, is_alert, signals, worse_chunks
from ci.monitor.measures import Measure

RULE = AlertRule()


def measure(
    name: str, week: int, value: float, upper: float = 0.2, method: str = "kolmogorov_smirnov"
) -> Measure:
    chunk = f"2017-11-{week:02}/2017-11-{week + 6:02}"
    return Measure(name, method, chunk, value, None, upper, 0.05, value > upper)


@pytest.mark.parametrize(
    ("chunks", "alert"),
    [
        ("", False),
        ("-", False),
        ("x", False),  # one noisy chunk wakes nobody
        ("--x---x--", False),
        ("x--x--x", False),
        ("x-x", True),
        ("xx", True),
        ("------xx", True),
        ("xxx-x", True),
        ("xxx--", False),  # what is over is over
    ],
)
def test_two_of_the_last_three_chunks_make_an_alert(chunks: str, alert: bool) -> None:
    assert any(holds([chunk == "x" for chunk in chunks], RULE)[-1:]) is alert


def test_what_is_over_is_told_as_earlier_and_is_no_alert_any_more() -> None:
    values = {1: 0.3, 2: 0.5, 3: 0.1, 4: 0.1, 5: 0.1}
    found = signals([measure("spend", week, value) for week, value in values.items()], RULE)
    assert not found[0].alert
    assert [chunk[:10] for chunk in found[0].alarms] == ["2017-11-02", "2017-11-03"]
    assert not is_alert(found, [], RULE)
    said = "Earlier in this period: spend drifted, between 2017-11-01 and 2017-11-08."
    assert earlier(found, [], RULE) == said
    assert earlier(found[:0], [], RULE) is None
    bad, fine = performance("mae", 15, 10), performance("mae", 10, 10, alert=False)
    realised = [replace(bad, chunk="2017-10-02"), *[fine] * 3]
    assert worse_chunks(realised, RULE) == []
    assert "up to 50% worse than usual (chunks from 2017-10-02)" in str(earlier([], realised, RULE))


def test_only_important_columns_raise_an_alert_and_the_others_are_shown() -> None:
    rows = [measure(name, week, 0.5) for name in ("spend", "shelf top") for week in (6, 13)]
    every = signals(rows, RULE)
    assert [each.alert for each in every] == [True, True]
    spend, shelf = sorted(signals(rows, RULE, ["spend"]), key=lambda each: each.name, reverse=True)
    assert (spend.alert, shelf.alert, shelf.alarms, len(shelf.chunks_over)) == (True, False, [], 2)
    assert [each.name for each in signals(rows, RULE, ["shelf"]) if each.alert] == ["shelf top"]
    assert earlier([shelf], [], RULE) is None


def test_the_signal_shows_its_furthest_chunk_and_alerts_come_first() -> None:
    quiet = [measure("quiet", 6, 0.1), measure("quiet", 13, 0.15)]
    loud = [measure("loud", 6, 0.3), measure("loud", 13, 0.5)]
    first, second = signals([*quiet, *loud], RULE)
    assert (first.name, first.value, first.threshold, first.alert) == ("loud", 0.5, 0.2, True)
    assert first.chunk.startswith("2017-11-13")
    assert len(first.chunks_over) == 2
    assert (second.name, second.value, second.alert) == ("quiet", 0.15, False)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("x--------xx", "drifted (1 of 1 columns), between 2017-11-10 and 2017-11-17"),
        ("xx-------xx", "drifted (1 of 1 columns), between 2017-11-10 and 2017-11-17"),
        ("x----x-x---", "Earlier in this period: spend drifted, between 2017-11-06 and 2017-11-14"),
    ],
)
def test_what_was_over_long_before_is_no_part_of_when_it_drifted(over: str, said: str) -> None:
    rows = [measure("spend", day, 0.5 if each == "x" else 0) for day, each in enumerate(over, 1)]
    found = signals(rows, RULE)
    told = f"{headline('model', found, [], RULE)} {earlier(found, [], RULE)}"
    assert said in told


def test_the_headline_names_columns_and_when() -> None:
    found = signals([measure("spend", 6, 0.3), measure("spend", 13, 0.5)], RULE)
    assert is_alert(found, [], RULE)
    assert headline("shelf", found, [], RULE) == (
        "Alert for shelf: spend drifted (1 of 1 columns), between 2017-11-06 and 2017-11-19."
    )


def test_fewer_columns_than_the_policy_asks_for_are_no_alert() -> None:
    rule = AlertRule(features=2)
    found = signals([measure("spend", 6, 0.3), measure("spend", 13, 0.5)], rule)
    assert not is_alert(found, [], rule)
    assert "fewer columns than the policy's 2" in headline("shelf", found, [], rule)


def performance(name: str, value: float, usual: float, alert: bool = True) -> Measure:
    return Measure(name, "realised", "2017-11-20/2017-11-26", value, 1.0, 11.0, usual, alert)


@pytest.mark.parametrize(
    ("found", "worse"),
    [
        (performance("mae", 12.6, 10.0), True),
        (performance("mae", 12.4, 10.0), False),  # over its limit, but not by a quarter
        (performance("mae", 13.0, 10.0, alert=False), False),
        (performance("mae", 5.0, 10.0), False),  # better
        (performance("roc_auc", 0.6, 0.9), True),
        (performance("roc_auc", 0.99, 0.7), False),
    ],
)
def test_one_chunk_that_is_clearly_worse_is_an_alert(found: Measure, worse: bool) -> None:
    chunks = worse_chunks([found], RULE)
    assert bool(chunks) is worse
    assert is_alert([], chunks, RULE) is worse
    if worse:
        assert f"its {METRICS[found.name].label} was up to" in headline("shelf", [], chunks, RULE)


def test_a_few_chunks_in_a_row_that_are_a_little_worse_are_an_alert() -> None:
    little = performance("precision", 0.16, 0.2)
    fine = performance("precision", 0.2, 0.2, alert=False)
    better = performance("precision", 0.25, 0.2)
    assert worse_chunks([fine, little, fine, fine, little], RULE) == []
    assert worse_chunks([better, better, better], RULE) == []
    assert worse_chunks([fine, little, fine, little], RULE) == [little, little]


def test_a_rule_that_can_never_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="it never happens"):
        AlertRule(chunks=4, of=3)


def test_a_period_of_one_chunk_needs_that_one_and_a_column_with_few_values_does_not() -> None:
    [only] = signals([measure("spend", 6, 0.3)], RULE)
    assert only.alert
    known = [measure("spend", 6, 0.3), measure("visits", 6, 0.1), measure("visits", 13, 0.1)]
    assert not any(signal.alert for signal in signals(known, RULE))


def test_columns_that_were_not_measured_do_not_count_as_quiet() -> None:
    found = signals([measure("spend", 6, 0.1), measure("visits", 6, 0.1)], RULE)
    assert "none of its 1 measured columns" in headline("shelf", found, [], RULE, ["visits"])
    assert "nothing was looked at" in headline("shelf", found, [], RULE, ["visits", "spend"])


def test_a_column_that_was_over_too_briefly_is_named() -> None:
    found = signals(
        [measure("spend", week, 0.3 if week == 1 else 0.1) for week in (1, 8, 15)], RULE
    )
    assert not is_alert(found, [], RULE)
    said = headline("shelf", found, [], RULE)
    assert "drifted for long enough (spend over the threshold, but not in 2 of 3 chunks" in said


def test_what_drifted_and_does_not_any_more_is_not_called_too_brief() -> None:
    rows = [measure("spend", week, 0.3 if week < 9 else 0.1) for week in (1, 8, 15, 22, 29)]
    over = [measure("visits", week, 0.3 if week == 8 else 0.1) for week in (1, 8, 15, 22, 29)]
    said = headline("shelf", signals([*rows, *over], RULE), [], RULE)
    assert said == (
        "No alert for shelf: none of its 2 measured columns drifts any more (visits over the "
        "threshold, but not in 2 of 3 chunks in a row)."
    )
    said = headline("shelf", signals([*rows, *over], RULE, ["visits"]), [], RULE)
    assert said.endswith("; spend over the threshold, but not important by the policy).")


def test_chunks_of_rows_are_told_in_their_order() -> None:
    rows = [Measure("spend", "x", f"[{n}:{n + 9}]", 0.3, None, 0.2, 0.1, True) for n in (90, 100)]
    found = signals(rows, RULE)
    assert "between row 91 and row 110" in headline("shelf", found, [], RULE)
