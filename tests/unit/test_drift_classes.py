"""Drift of a model that answers with one of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.unit.test_drift_edges import PREDICT, Checks, analysis, checks, period, reference

__all__ = ["checks"]


def test_a_model_of_three_classes_is_followed_by_its_own_metric_and_said_not_to_be_estimated(
    checks: Checks,
) -> None:
    folder = checks.repository.model_dir("small")
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    contract |= {"task": "multiclass_classification", "output": {"y": {"type": "string"}}}
    contract["evaluation"]["metric"] = "accuracy"
    (folder / "model.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    classes = '["low" if each < 2 else "middle" if each < 4 else "high" for each in rows["price"]]'
    (folder / "predict.py").write_text(PREDICT.replace('model * rows["price"].fillna(0)', classes))

    def bands(table: pd.DataFrame) -> pd.Series[Any]:
        return pd.cut(table["price"], [0, 2, 4, 999], labels=["low", "middle", "high"], right=False)

    now = analysis(actual=bands)
    now.loc[now["day"] >= "2026-03-02", "actual"] = "low"
    now["promoted"] = now["promoted"].astype(object)
    now.loc[:39, "promoted"] = None
    found = checks.drift(reference(actual=bands), now)
    assert found["performance"]["estimated"] == []
    assert [round(each["value"], 1) for each in found["performance"]["realised"][:2]] == [1, 1]
    assert [each["chunk"][:10] for each in found["worse"]] == ["2026-03-02"]
    assert found["performance_note"] == (
        "Nothing says how good a chunk is before its targets are in: NannyML would need a "
        "probability for each class, and this model answers with the class alone (key "
        "probability_of of an output in model.yaml)."
    )
    assert "; 40 break the contract and have no prediction" in found["period"]


CLASSES = ("low", "middle", "high")
SHARES = """
import pandas as pd

def predict(model, rows):
    x = (rows["price"].fillna(0) / 6).clip(0, 1)
    chances = {"low": (1 - x) ** 2, "middle": 2 * x * (1 - x), "high": x**2}
    best = [max(chances, key=lambda each: chances[each][row]) for row in rows.index]
    return pd.DataFrame({"y": best, **{f"p_{name}": of for name, of in chances.items()}})
"""


def _declared(classes: tuple[str, ...] = CLASSES) -> dict[str, Any]:
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    columns = {f"p_{name}": {**chance, "probability_of": name} for name in classes}
    return {"y": {"type": "string"}, **columns}


def _with_probabilities(checks: Checks, output: dict[str, Any]) -> None:
    folder = checks.repository.model_dir("small")
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    contract |= {"task": "multiclass_classification", "output": output}
    contract["evaluation"]["metric"] = "accuracy"
    (folder / "model.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    (folder / "predict.py").write_text(PREDICT.split("def predict")[0] + SHARES)


def _drawn(table: pd.DataFrame) -> pd.Series[Any]:
    """What happens, as often as the model's probabilities say."""
    x = (table["price"] / 6).clip(0, 1).to_numpy()
    draw = np.random.default_rng(7).random((2, len(table)))
    return pd.Series([CLASSES[hits] for hits in (draw < x).sum(axis=0)], index=table.index)


def test_a_model_that_answers_the_probability_of_each_class_is_estimated_before_the_outcome(
    checks: Checks,
) -> None:
    _with_probabilities(checks, _declared())
    usual = period("2026-01-05", 42, rows=200, seed=3, actual=_drawn)
    now = period("2026-02-16", 21, rows=200, seed=1)
    later = now["day"] >= "2026-03-02"
    now.loc[later, "price"] = 3 + now.loc[later, "price"] / 10
    now["actual"] = _drawn(now)
    truth = checks.drift(usual, now)["performance"]["realised"]
    found = checks.drift(usual, now.assign(actual=None))
    guessed = found["performance"]["estimated"]
    assert found["performance"]["realised"] == []
    assert found["performance_note"] is None
    assert [each["name"] for each in guessed] == ["accuracy"] * 3
    assert [each["alert"] for each in guessed] == [False, False, True]
    for estimated, real in zip(guessed, truth, strict=True):
        assert estimated["value"] == pytest.approx(real["value"], abs=0.03)
    assert "p_low" in {each["name"] for each in found["features"]}


@pytest.mark.parametrize("seen", [0, 1])
def test_a_class_that_the_reference_hardly_has_does_not_end_the_check(
    checks: Checks, seen: int
) -> None:
    _with_probabilities(checks, _declared())
    usual = reference(actual=_drawn)
    usual.loc[usual["actual"] == "high", "actual"] = "middle"
    usual.loc[: seen - 1, "actual"] = "high"
    found = checks.drift(usual, analysis(actual=None))
    assert len(found["performance"]["estimated"]) == 3


def test_an_outcome_whose_probability_nothing_answers_is_refused(checks: Checks) -> None:
    _with_probabilities(checks, _declared(("low", "middle")))
    (checks.repository.model_dir("small") / "predict.py").write_text(
        PREDICT.split("def predict")[0] + SHARES.replace(', "high": x**2', "")
    )
    error = checks.drift(reference(actual=_drawn), analysis(actual=None))["error"]
    assert error["code"] == "bad_period"
    assert "is high in the reference, a class of which no output is the prob" in error["message"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "one class": (_declared(("low",)), "is the probability_of a second class"),
    "a class twice": (
        {**_declared(), "again": _declared()["p_low"]},
        "is the probability of low too; name each class once",
    ),
    "no range": (
        {**_declared(), "p_low": {"type": "number", "probability_of": "low"}},
        "a probability has type: number, minimum: 0 and maximum: 1",
    ),
    "before the answer": (
        {"p_low": _declared()["p_low"], **{"y": {"type": "string"}}, **_declared()},
        "the answer comes first",
    ),
    "no such category": (
        {**_declared(), "y": {"type": "string", "categories": ["low", "middle"]}},
        "high is no category of y",
    ),
    "a category without": (
        {**_declared(), "y": {"type": "string", "categories": [*CLASSES, "top"]}},
        "no column is the probability_of top",
    ),
    "two answers": ({**_declared(), "z": {"type": "string"}}, "has exactly one output column"),
}


@pytest.mark.parametrize(("output", "problem"), WRONG.values(), ids=WRONG)
def test_probabilities_that_do_not_fit_the_classes_are_refused(
    checks: Checks, output: dict[str, Any], problem: str
) -> None:
    _with_probabilities(checks, output)
    error = checks.drift(reference(actual=_drawn), analysis())["error"]
    assert (error["code"], problem in error["message"]) == ("bad_contract", True), error


def test_only_the_outputs_of_many_classes_are_probabilities_of_one(checks: Checks) -> None:
    path = checks.repository.model_dir("small") / "model.yaml"
    contract = yaml.safe_load(path.read_text())
    contract["input"]["price"]["probability_of"] = "low"
    path.write_text(yaml.safe_dump(contract, sort_keys=False))
    error = checks.drift(reference(), analysis())["error"]
    assert "only an output of a multiclass_classification is a class's prob" in error["message"]
    assert "input.price.probability_of" in error["message"]
