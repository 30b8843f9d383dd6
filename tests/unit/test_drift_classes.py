"""Drift of a model that answers with one of several classes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import yaml

from tests.unit.test_drift_edges import PREDICT, Checks, analysis, checks, reference

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
        "probability for each class, and a model of this task answers with the class alone."
    )
    assert "; 40 break the contract and have no prediction" in found["period"]
