"""The gate, tested by breaking each of its rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from ci.contract.model import ModelContract
from ci.contract.policy import load_policy
from ci.contract.promotion import PromotionPolicy, WaivableRule
from ci.evaluate.outcome import Evaluation
from ci.gate import Case, RuleResult, Verdict, apply
from ci.gate.compatibility import breaking_changes
from ci.repository import Repository
from ci.yaml_file import ProblemsError
from tests.support.judging import (
    ACTUAL,
    CONTRACT,
    NOISE,
    POLICY,
    contract,
    evaluation,
    holdout,
    policy,
)
from tests.support.judging import predictions as guess

if TYPE_CHECKING:
    from ci.evaluate.answers import Predictions

TODAY = date(2026, 3, 1)
PARAMS = {"train": {"trees": 100}}


def gate(
    judged: Evaluation | None,
    rules: ModelContract | None = None,
    policy_: PromotionPolicy | None = None,
    *,
    current: bool = True,
    champion: ModelContract | None = None,
    params: dict[str, Any] | None = None,
    **more: Any,
) -> Verdict:
    params = PARAMS if params is None else params
    case = Case(rules or contract(), judged, current, champion, params, **more)
    return apply(policy_ or policy(), case, "f" * 40, TODAY)


def line(verdict: Verdict, rule: str) -> RuleResult:
    return next(each for each in verdict.rules if each.rule == rule)


def assert_only_fails(verdict: Verdict, *rules: str) -> None:
    assert verdict.verdict == "fail"
    assert [each.rule for each in verdict.failed()] == list(rules)


def edited(judged: Evaluation, **changes: object) -> Evaluation:
    return type(judged).model_validate({**judged.model_dump(), **changes})


def test_a_good_first_version_passes_with_a_line_for_every_rule() -> None:
    verdict = gate(evaluation())
    assert verdict.verdict == "pass"
    assert [each.rule for each in verdict.rules] == [
        "evaluation_present_and_current",
        "metrics_present",
        "enough_rows",
        "enough_units",
        "primary_metric",
        "slices",
        "floors",
        "holdout_kept",
        "parameters_in_range",
        "contract_compatible",
    ]
    assert all(each.detail.endswith(".") for each in verdict.rules)


def test_no_evaluation_fails_all_that_rests_on_it() -> None:
    verdict = gate(None)
    assert verdict.verdict == "fail"
    assert len(verdict.failed()) == 7


def test_an_evaluation_of_something_else_fails() -> None:
    assert_only_fails(gate(evaluation(), current=False), "evaluation_present_and_current")


def test_a_metric_that_is_missing_fails() -> None:
    judged = evaluation()
    judged = edited(judged, metrics=[m.model_dump() for m in judged.metrics[:2]])
    assert_only_fails(gate(judged), "metrics_present")
    assert "bias" in line(gate(judged), "metrics_present").detail


def test_a_prediction_that_is_not_a_number_fails() -> None:
    units = np.where(np.arange(len(ACTUAL)) == 9, np.nan, guess()["units"])
    assert_only_fails(gate(evaluation({"units": list(units)})), "metrics_present", "primary_metric")


def test_an_infinite_prediction_fails() -> None:
    units = np.where(np.arange(len(ACTUAL)) == 9, np.inf, guess()["units"])
    verdict = gate(evaluation({"units": list(units)}))
    assert line(verdict, "metrics_present").result == "fail"


def test_an_undefined_metric_beside_the_primary_fails() -> None:
    table = holdout().assign(actual=0.0)
    verdict = gate(evaluation(table=table))
    assert "wape" in line(verdict, "metrics_present").detail
    assert line(verdict, "metrics_present").result == "fail"


def test_too_few_rows_fail() -> None:
    few = policy(models={"demand": {"enough_rows": {"minimum": len(ACTUAL) + 1}}})
    assert_only_fails(gate(evaluation(), policy_=few), "enough_rows")
    enough = policy(models={"demand": {"enough_rows": {"minimum": len(ACTUAL)}}})
    assert gate(evaluation(), policy_=enough).verdict == "pass"


def test_too_few_units_fail_however_many_rows() -> None:
    table = holdout()
    table["series"] = [f"s{row % 5}" for row in range(len(table))]
    assert_only_fails(gate(evaluation(table=table)), "enough_units")


def test_one_unit_has_no_interval_so_it_is_refused() -> None:
    table = holdout().assign(series="all")
    assert_only_fails(gate(evaluation(table=table)), "enough_units", "primary_metric")


def test_a_first_version_that_loses_to_one_baseline_fails() -> None:
    table = holdout()
    table["baseline_mean"] = ACTUAL + 5.2 * np.random.default_rng(1).normal(size=len(ACTUAL))
    verdict = gate(evaluation(table=table))
    assert_only_fails(verdict, "primary_metric")
    assert "does not clearly beat: mean" in line(verdict, "primary_metric").detail


def better_but_not_clearly() -> Evaluation:
    table = holdout()
    table["baseline_mean"] = ACTUAL + 5.9 * np.random.default_rng(1).normal(size=len(ACTUAL))
    judged = evaluation(table=table)
    mean = next(d for d in judged.metrics[0].differences if d.against == "mean")
    assert mean.difference
    assert mean.interval
    assert mean.difference > 0 > mean.interval[0]
    return judged


def test_the_policy_says_whether_the_interval_or_the_difference_must_be_better() -> None:
    judged = better_but_not_clearly()
    assert_only_fails(gate(judged), "primary_metric")
    lenient = policy(
        models={"demand": {"primary_metric": {"first_version": "difference", "tolerance": 0.03}}}
    )
    assert gate(judged, policy_=lenient).verdict == "pass"


def test_a_policy_of_another_model_does_not_apply() -> None:
    lenient = policy(
        models={"other": {"primary_metric": {"first_version": "difference", "tolerance": 1}}}
    )
    assert_only_fails(gate(better_but_not_clearly(), policy_=lenient), "primary_metric")


def test_a_later_version_may_be_as_good_as_the_champion_but_not_worse() -> None:
    same = evaluation(guess(), guess())
    assert gate(same, champion=contract()).verdict == "pass"
    worse = evaluation(guess(6.0), guess(5.0))
    assert_only_fails(gate(worse, champion=contract()), "primary_metric", "slices")


def test_a_later_version_need_not_beat_what_the_champion_does_not_beat() -> None:
    table = holdout().assign(baseline_mean=ACTUAL)
    judged = evaluation(guess(4.9), guess(5.0), table=table)
    assert judged.against == "champion"
    assert gate(judged, champion=contract()).verdict == "pass"


def test_a_baseline_that_the_champion_beats_must_be_beaten_too() -> None:
    """Within the tolerance, a little worse at a time, a model would end as good as none."""
    judged = evaluation(
        guess(5.1), guess(5.0), table=holdout().assign(baseline_mean=ACTUAL + 5.05 * NOISE)
    )
    verdict = gate(judged, champion=contract())
    assert_only_fails(verdict, "primary_metric")
    assert "It no longer beats: mean." in line(verdict, "primary_metric").detail


def flat(table: pd.DataFrame) -> Predictions:
    return {"units": [1.0] * len(table)}


ROWS = {
    "left out": holdout().iloc[3:],
    "twice": pd.concat([holdout(), holdout().head(20)], ignore_index=True),
    "other outcomes": holdout().assign(actual=ACTUAL + 1),
    "other units": holdout().assign(series=range(len(ACTUAL))),
}


@pytest.mark.parametrize("change", ROWS)
def test_training_can_not_choose_the_rows_that_it_is_judged_on(change: str) -> None:
    table = ROWS[change].reset_index(drop=True)
    easy = {"units": list(table["actual"])}
    judged = evaluation(easy, flat(table), table=table)
    before = evaluation().rows_digest
    verdict = gate(judged, champion=contract(), champion_rows=before, same_data=True)
    assert_only_fails(verdict, "holdout_kept")
    for more in ({"champion_rows": before}, {"same_data": True}):
        assert gate(judged, champion=contract(), **more).verdict == "pass"


def hidden_slice() -> pd.DataFrame:
    """The rows of the slice that was made worse, each in a slice of its own."""
    rows = holdout()
    return rows.assign(department=[f"{name} {row}" for row, name in enumerate(rows["department"])])


def test_training_can_not_hide_a_slice_that_it_made_worse() -> None:
    before = evaluation()
    kept: dict[str, Any] = {
        "champion_rows": before.rows_digest,
        "champion_slices": before.slices_digest,
    }
    shown = evaluation(with_worse_slice(), guess(5.0))
    assert_only_fails(gate(shown, champion=contract(), same_data=True, **kept), "slices")
    hidden = evaluation(with_worse_slice(), guess(5.0), table=hidden_slice())
    assert_only_fails(gate(hidden, champion=contract(), same_data=True, **kept), "holdout_kept")
    other = contract(evaluation={**CONTRACT["evaluation"], "slices": ["promoted"]})
    assert gate(hidden, champion=other, same_data=True, **kept).verdict == "pass"
    assert gate(hidden, champion=contract(), **kept).verdict == "pass"  # from other data


def test_the_order_of_the_rows_and_new_columns_do_not_matter() -> None:
    table = holdout().assign(more=1).sample(frac=1, random_state=1).reset_index(drop=True)
    easy = {"units": list(table["actual"])}
    judged = evaluation(easy, flat(table), table=table)
    before = evaluation()
    kept: dict[str, Any] = {
        "champion_rows": before.rows_digest,
        "champion_slices": before.slices_digest,
    }
    assert gate(judged, champion=contract(), same_data=True, **kept).verdict == "pass"


def test_the_tolerance_is_a_share_of_the_champion() -> None:
    judged = evaluation(guess(5.1), guess(5.0))
    assert gate(judged, champion=contract()).verdict == "pass"
    strict = policy(
        models={"demand": {"primary_metric": {"first_version": "interval", "tolerance": 0.01}}}
    )
    assert_only_fails(gate(judged, policy_=strict, champion=contract()), "primary_metric")


def test_a_champion_that_can_not_be_compared_leaves_the_baselines_to_decide() -> None:
    judged = evaluation(champion_version=3, champion_problem="the champion needs the input x")
    verdict = gate(judged, champion=contract())
    assert "needs the input x" in line(verdict, "primary_metric").detail
    table = holdout().assign(baseline_mean=ACTUAL)
    lost = evaluation(table=table, champion_version=3, champion_problem="the champion needs x")
    assert_only_fails(gate(lost, champion=contract()), "primary_metric", "slices")


def test_other_units_decide_nothing_and_are_not_hidden() -> None:
    table = holdout()
    week = table["week"].to_numpy()
    error = np.where(week == 0, 0.0, 9.1)
    units = ACTUAL + error * (np.array(guess(1.0)["units"]) - ACTUAL)
    judged = evaluation({"units": list(units)}, guess(9.0))
    found = line(gate(judged, champion=contract()), "primary_metric")
    assert found.result == "pass"
    assert found.detail.endswith("Counted by week the finding is: no clear difference.")


def with_worse_slice() -> Predictions:
    second = (holdout()["department"] == "B").to_numpy()
    error = np.where(second, 5.0 * 1.3, 5.0 * 0.3)
    return {"units": list(ACTUAL + error * (np.array(guess(1.0)["units"]) - ACTUAL))}


def test_a_slice_made_worse_fails_though_the_whole_is_better() -> None:
    judged = evaluation(with_worse_slice(), guess(5.0))
    assert judged.verdict == "better"
    verdict = gate(judged, champion=contract())
    assert_only_fails(verdict, "slices")
    assert "department B" in line(verdict, "slices").detail


@pytest.mark.parametrize("key", ["minimum_rows", "minimum_units"])
def test_a_slice_that_is_too_small_decides_nothing(key: str) -> None:
    judged = evaluation(with_worse_slice(), guess(5.0))
    settings = {**POLICY["defaults"]["slices"], key: 1000}
    small = policy(models={"demand": {"slices": settings}})
    assert gate(judged, policy_=small, champion=contract()).verdict == "pass"


def test_a_floor_that_is_not_reached_or_not_reported_fails() -> None:
    judged = evaluation()
    assert_only_fails(gate(edited(judged, reported={"r2": 0.19})), "floors")
    assert_only_fails(gate(edited(judged, reported={})), "floors")
    assert gate(edited(judged, reported={"r2": 0.2})).verdict == "pass"


@pytest.mark.parametrize("value", [9, 501, "many", None, 10.5, True])
def test_a_parameter_out_of_range_fails(value: object) -> None:
    verdict = gate(evaluation(), params={"train": {"trees": value}})
    assert_only_fails(verdict, "parameters_in_range")
    assert "train.trees" in line(verdict, "parameters_in_range").detail


def test_a_parameter_that_is_gone_fails() -> None:
    assert_only_fails(gate(evaluation(), params={"train": 3}), "parameters_in_range")


def changed(part: str, name: str, **column: object) -> ModelContract:
    return contract(**{part: {**CONTRACT[part], name: {**CONTRACT[part].get(name, {}), **column}}})


BREAKING = {
    "the output units is gone": contract(output={"sold": {"type": "number"}}),
    "the output units is in boxes instead of units": changed("output", "units", unit="boxes"),
    "the output units may now be missing": changed("output", "units", nullable=True),
    "the output units may now be below 0": changed("output", "units", minimum=None),
    "the new input price is required": changed("input", "price", type="number"),
    "the input units_last_week must now be at least 1": changed(
        "input", "units_last_week", minimum=1
    ),
    "the input units_last_week must now be at most 900": changed(
        "input", "units_last_week", maximum=900
    ),
    "the input units_last_week is integer instead of number": changed(
        "input", "units_last_week", type="integer"
    ),
    "the input units_last_week is in boxes instead of units": changed(
        "input", "units_last_week", unit="boxes"
    ),
    "the input department no longer takes B": changed("input", "department", categories=["A"]),
    "the input promoted may no longer be missing": changed("input", "promoted", nullable=False),
    "the input department is no longer accepted": contract(
        input={k: v for k, v in CONTRACT["input"].items() if k != "department"}
    ),
}


@pytest.mark.parametrize("change", BREAKING)
def test_a_contract_that_breaks_callers_fails(change: str) -> None:
    assert change in breaking_changes(contract(), BREAKING[change])
    verdict = gate(evaluation(guess(), guess()), BREAKING[change], champion=contract())
    assert_only_fails(verdict, "contract_compatible")


@pytest.mark.parametrize(
    "new",
    [
        changed("input", "price", type="number", nullable=True),
        changed("input", "units_last_week", minimum=-5, maximum=2000),
        changed("input", "department", categories=["A", "B", "C"]),
        changed("output", "units", minimum=1, maximum=10),
        contract(description="Another text."),
    ],
)
def test_a_contract_that_only_allows_more_passes(new: ModelContract) -> None:
    assert breaking_changes(contract(), new) == []


def test_a_target_among_the_inputs_is_refused() -> None:
    rules = {**CONTRACT["evaluation"], "target": "units_last_week"}
    with pytest.raises(ValidationError, match="given what it has to predict"):
        contract(evaluation=rules)


WAIVER = {
    "model": "demand",
    "rule": "slices",
    "reason": "Department B closes in April.",
    "owner": "procurement",
    "expires": "2026-03-01",
}


def waived(**changes: str) -> Verdict:
    judged = evaluation(with_worse_slice(), guess(5.0))
    return gate(judged, policy_=policy(waivers=[{**WAIVER, **changes}]), champion=contract())


def test_a_waiver_lets_one_rule_through_and_is_shown_with_its_reason() -> None:
    verdict = waived()
    assert verdict.verdict == "pass"
    assert line(verdict, "slices").result == "waived"
    assert "department B" in line(verdict, "slices").detail
    assert "Department B closes in April." in line(verdict, "slices").detail


@pytest.mark.parametrize(
    "changes", [{"expires": "2026-02-28"}, {"model": "other"}, {"rule": "floors"}]
)
def test_a_waiver_that_expired_or_is_for_something_else_does_not_count(
    changes: dict[str, str],
) -> None:
    assert_only_fails(waived(**changes), "slices")


def strict(**changes: object) -> PromotionPolicy:
    return policy(defaults={**POLICY["defaults"], **changes})


NARROW = {**CONTRACT["input"], "promoted": {"type": "boolean"}}
# What breaks each rule that may be waived, and no other: arguments of `gate`, with a champion.
BROKEN: dict[WaivableRule, dict[str, Any]] = {
    "enough_rows": {"policy_": strict(enough_rows={"minimum": 10**6})},
    "enough_units": {"policy_": strict(enough_units={"minimum": 10**6})},
    "primary_metric": {"judged": evaluation(guess(5.3), guess(5.0))},
    "slices": {"judged": evaluation(with_worse_slice(), guess(5.0))},
    "floors": {"rules": contract(evaluation={**CONTRACT["evaluation"], "floors": {"r2": 0.9}})},
    "holdout_kept": {"champion_rows": "0" * 64, "same_data": True},
    "parameters_in_range": {"params": {"train": {"trees": 501}}},
    "contract_compatible": {"rules": contract(input=NARROW)},
}


@pytest.mark.parametrize("rule", list(BROKEN))
def test_each_rule_that_may_be_waived_is_let_pass_until_the_waiver_ends(rule: WaivableRule) -> None:
    given: dict[str, Any] = {
        "judged": evaluation(guess(5.0), guess(5.0)),
        "champion": contract(),
        **BROKEN[rule],
    }
    rules: PromotionPolicy = given.pop("policy_", policy())
    assert_only_fails(gate(policy_=rules, **given), rule)
    for expires, result in (("2026-03-01", "waived"), ("2026-02-28", "fail")):
        waiver = {**WAIVER, "rule": rule, "expires": expires}
        waivers = PromotionPolicy.model_validate({**rules.model_dump(), "waivers": [waiver]})
        verdict = gate(policy_=waivers, **given)
        assert line(verdict, rule).result == result
        assert verdict.verdict == ("pass" if result == "waived" else "fail")


def test_no_other_rule_can_be_waived() -> None:
    assert set(BROKEN) == set(get_args(WaivableRule))


def test_a_waiver_for_a_rule_that_holds_changes_nothing() -> None:
    verdict = gate(evaluation(), policy_=policy(waivers=[WAIVER]))
    assert line(verdict, "slices").result == "pass"


def policy_file(tmp_path: Path, content: dict[str, Any]) -> Repository:
    (tmp_path / "policies").mkdir()
    (tmp_path / "models" / "demand").mkdir(parents=True)
    (tmp_path / "models" / "demand" / "model.yaml").write_text("name: demand\n")
    (tmp_path / "policies" / "promotion.yaml").write_text(yaml.safe_dump(content))
    return Repository(tmp_path)


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    loaded = load_policy(policy_file(tmp_path, {**POLICY, "waivers": [WAIVER]}), PromotionPolicy)
    assert loaded == policy(waivers=[WAIVER])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": {"demnd": {}}}, "did you mean 'demand'"),
        ({"models": {"demand": {"slice": {}}}}, "did you mean 'slices'"),
        ({"waivers": [{**WAIVER, "model": "nobody"}]}, "there is no model 'nobody'"),
        ({"waivers": [{**WAIVER, "rule": "metrics_present"}]}, "waivers.0.rule"),
        ({"waivers": [{**WAIVER, "rule": "evaluation_present_and_current"}]}, "waivers.0.rule"),
        ({"waivers": [{**WAIVER, "reason": " "}]}, "waivers.0.reason"),
        ({"waivers": [{k: v for k, v in WAIVER.items() if k != "expires"}]}, "waivers.0.expires"),
        ({"defaults": {}}, "defaults.enough_rows"),
        ({"models": {"demand": {"enough_rows": {"minimum": 0}}}}, "enough_rows.minimum"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProblemsError, match=r"policies/promotion.yaml:\d+") as error:
        load_policy(policy_file(tmp_path, {**POLICY, **change}), PromotionPolicy)
    assert said in error.value.message


def test_the_lower_end_of_the_interval_decides_against_the_champion() -> None:
    other = list(ACTUAL + 5.2 * np.random.default_rng(1).normal(size=len(ACTUAL)))
    judged = evaluation(guess(4.6), {"units": other})
    assert judged.difference
    assert judged.champion
    assert judged.interval
    assert judged.difference > -0.03 * judged.champion > judged.interval[0]
    assert line(gate(judged, champion=contract()), "primary_metric").result == "fail"


def classes(**probabilities: str) -> ModelContract:
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    columns = {name: {**chance, "probability_of": of} for name, of in probabilities.items()}
    rules = {**CONTRACT["evaluation"], "metric": "accuracy", "also": []}
    output = {"size": {"type": "string"}, **columns}
    return contract(task="multiclass_classification", output=output, evaluation=rules)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            classes(),
            classes(p="large", q="small"),
            "a prediction is an object with size, p, q instead of a value",
        ),
        (
            classes(p="large", q="small"),
            classes(),
            "a prediction is a value instead of an object with size, p, q",
        ),
        (
            classes(p="large", q="small"),
            classes(p="small", q="large"),
            "the output p is no longer the probability of large",
        ),
    ],
)
def test_probabilities_that_come_go_or_change_places_break_callers(
    old: ModelContract, new: ModelContract, change: str
) -> None:
    assert change in breaking_changes(old, new)


def test_a_further_class_breaks_nobody() -> None:
    old, new = classes(p="large", q="small"), classes(p="large", q="small", r="family")
    assert breaking_changes(old, new) == []
