"""The evaluation: what it finds, and how it refuses a holdout or predictions it can't use."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ci.contract.model import ModelContract, load_model_contract
from ci.errors import MlopsError
from ci.evaluate.candidate import Servable, evaluate_model, is_current, read_evaluation
from ci.fingerprint import fingerprint
from ci.pipeline.candidate import (
    Candidate,
    candidate_dir,
    current_candidate,
    output_digests,
    write_candidate,
)
from ci.repository import Repository
from tests.support.judging import ACTUAL, CONTRACT, SERIES, contract, evaluation, holdout
from tests.support.judging import predictions as guess


def test_a_first_version_is_compared_with_the_best_baseline() -> None:
    found = evaluation()
    assert found.champion is None
    assert (found.against, found.best_baseline) == ("mean", "mean")
    baselines = [value for value in found.baselines.values() if value is not None]
    assert (len(baselines), found.baseline) == (2, min(baselines))
    assert found.baseline
    assert found.candidate
    assert found.difference
    assert found.interval
    assert found.difference == pytest.approx(found.baseline - found.candidate)
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.verdict == "better"
    assert (found.rows, found.units) == (len(ACTUAL), SERIES)
    assert [m.metric for m in found.metrics] == ["mae", "wape", "bias"]


def test_a_later_version_is_compared_with_the_champion_on_the_same_rows() -> None:
    found = evaluation(guess(6.0), guess(5.0))
    assert found.against == "champion"
    assert found.champion
    assert found.candidate
    assert found.difference == pytest.approx(found.champion - found.candidate)
    assert found.verdict == "worse"
    assert [d.against for d in found.metrics[0].differences] == ["champion", "last_week", "mean"]


def test_a_baseline_may_be_called_champion() -> None:
    names = {"champion": "baseline_mean", "last_week": "baseline_last_week"}
    rules = contract(evaluation={**CONTRACT["evaluation"], "baselines": names})
    found = evaluation(guess(5.0), guess(5.0), rules=rules)
    assert found.difference == 0
    assert found.rival(found.metrics[0]).kind == "champion"


def test_other_units_are_resampled_too_and_may_say_otherwise() -> None:
    """Better in every series, but only thanks to one of the weeks."""
    week = holdout()["week"].to_numpy()
    error = np.where(week == 0, 0.0, 9.1)
    units = ACTUAL + error * (np.array(guess(1.0)["units"]) - ACTUAL)
    found = evaluation({"units": list(units)}, guess(9.0))
    assert found.verdict == "better"
    (check,) = found.checks
    assert (check.unit, check.units) == ("week", 8)
    assert check.differences[0].verdict == "no clear difference"
    assert "only 8 values of week" in str(check.differences[0].note)


def test_slices_cover_all_rows_and_values_beyond_the_largest_are_counted() -> None:
    table = holdout()
    table["department"] = [f"d{row % 45}" for row in range(len(table))]
    table.loc[:9, "department"] = np.nan
    found = evaluation(table=table)
    assert len(found.slices) == 40
    assert found.slices_left_out == {"department": 6}
    assert "(missing)" in [part.value for part in found.slices]
    whole = evaluation()
    assert sum(part.rows for part in whole.slices) == whole.rows
    mean = sum((part.candidate or 0.0) * part.rows for part in whole.slices) / whole.rows
    assert mean == pytest.approx(whole.candidate)


def test_what_is_undefined_is_null_in_json_and_comes_back() -> None:
    found = evaluation(table=holdout().assign(actual=0.0))
    text = json.dumps(found.model_dump(mode="json"), allow_nan=False)
    assert type(found).model_validate_json(text) == found
    assert found.metrics[1].candidate is None


def ranking() -> ModelContract:
    return ModelContract.model_validate(
        {
            **CONTRACT,
            "task": "ranking",
            "output": {"first": {"type": "integer"}, "second": {"type": "integer"}},
            "evaluation": {
                **CONTRACT["evaluation"],
                "metric": "precision",
                "also": ["hit_rate", "ndcg"],
                "baselines": {"popular": "popular"},
                "check_units": [],
                "slices": [],
                "floors": {},
            },
        }
    )


def test_items_of_a_ranking_are_compared_as_text() -> None:
    table = pd.DataFrame({"actual": ["7 9", "7"], "series": ["a", "b"], "popular": ["1 7", "1 2"]})
    found = evaluation({"first": [7, 8], "second": [9, 7]}, table=table, rules=ranking())
    assert found.candidate == 0.75
    assert found.baseline == 0.25


SOURCE = """
import json
import shutil

def load_model(directory):
    with open(f"{directory}/model.json") as file:
        return json.load(file)

def predict(model, rows):
    return rows["units_last_week"] * model["factor"]
"""


def trained(tmp_path: Path, table: pd.DataFrame | None = None, factor: float = 1.0) -> Repository:
    """A repository with a trained Python model that returns a multiple of last week."""
    repository = Repository(tmp_path)
    repository.policies_dir.mkdir()
    shutil.copy(Path(__file__).parents[2] / "policies" / "trust.yaml", repository.policies_dir)
    folder = tmp_path / "models" / "demand"
    (folder / "artifact").mkdir(parents=True)
    (folder / "evaluation").mkdir()
    (folder / "model.yaml").write_text(yaml.safe_dump({**CONTRACT, "language": "python"}))
    (folder / "dvc.yaml").write_text(
        "stages: {train: {cmd: python train.py, outs: [artifact, evaluation]}}"
    )
    (folder / "predict.py").write_text(SOURCE)
    (folder / "artifact" / "model.json").write_text(json.dumps({"factor": factor}))
    (folder / "metrics.json").write_text('{"r2": 0.5}')
    table = holdout() if table is None else table
    table.to_csv(folder / "evaluation" / "holdout.csv", index=False)
    record(repository)
    return repository


def record(repository: Repository) -> Candidate:
    rules = contract(language="python")
    folder = repository.model_dir("demand")
    made = Candidate(
        model="demand",
        run_id="1",
        fingerprint=fingerprint(repository, "demand"),
        trained_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        git_commit=None,
        outputs=output_digests(folder, rules),
        metrics={"r2": 0.5},
        params={},
        data={},
        inputs={},
    )
    write_candidate(repository, made)
    return made


def champion_of(repository: Repository, **changes: object) -> Servable:
    folder = repository.model_dir("demand")
    rules = contract(language="python", **changes)
    return Servable(folder / "predict.py", folder / "artifact", rules, 3, "e" * 40)


def with_champion(monkeypatch: pytest.MonkeyPatch, champion: Servable) -> None:
    monkeypatch.setattr("ci.registry.champion.champion", lambda repository, name: champion)


def test_a_trained_model_is_evaluated_through_its_runner_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = trained(tmp_path)
    with_champion(monkeypatch, champion_of(repository))
    found = evaluate_model(repository, "demand")
    table = holdout()
    expected = np.abs(table["units_last_week"] - table["actual"]).mean()
    assert found.candidate == pytest.approx(expected, rel=1e-9)
    assert (found.champion, found.difference) == (found.candidate, 0)
    assert read_evaluation(repository, "demand") == found


def test_an_evaluation_holds_for_one_candidate_and_one_champion(tmp_path: Path) -> None:
    repository = trained(tmp_path)
    found = evaluate_model(repository, "demand")
    same = record(repository)
    assert is_current(found, same, None)
    assert not is_current(found, replace(same, fingerprint="0" * 40), None)
    assert not is_current(found, replace(same, outputs={**same.outputs, "artifact": "0"}), None)
    assert not is_current(found, same, champion_of(repository))


def test_a_damaged_record_is_not_believed(tmp_path: Path) -> None:
    repository = trained(tmp_path)
    evaluate_model(repository, "demand")
    path = candidate_dir(repository, "demand") / "evaluation.json"
    path.write_text(path.read_text()[:100])
    assert read_evaluation(repository, "demand") is None
    path.write_text('{"model": "demand", "verdict": "excellent"}')
    assert read_evaluation(repository, "demand") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": {**CONTRACT["input"], "price": {"type": "number"}}}, "needs the input price"),
        (
            {"input": {**CONTRACT["input"], "department": {"type": "string", "categories": ["A"]}}},
            "the column department must be one of A",
        ),
        ({"output": {"units": {"type": "number", "maximum": 1}}}, "must be at most 1"),
    ],
)
def test_a_champion_that_can_not_predict_these_rows_is_said_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    repository = trained(tmp_path)
    with_champion(monkeypatch, champion_of(repository, **changes))
    found = evaluate_model(repository, "demand")
    assert found.champion is None
    assert said in str(found.origin.champion_problem)
    assert found.origin.champion_version == 3


def error_of(repository: Repository) -> MlopsError:
    with pytest.raises(MlopsError) as error:
        evaluate_model(repository, "demand")
    assert not (candidate_dir(repository, "demand") / "evaluation.json").exists()
    return error.value


def test_a_period_that_is_checked_may_be_newer_than_the_run_and_what_is_judged_may_not(
    tmp_path: Path,
) -> None:
    repository = trained(tmp_path)
    demand = load_model_contract(repository, "demand")
    path = repository.model_dir("demand") / demand.evaluation.holdout
    path.write_text(path.read_text() + "\n")
    assert current_candidate(repository, demand, but=[demand.evaluation.holdout])
    with pytest.raises(MlopsError, match="are not those of its last finished run"):
        current_candidate(repository, demand)
    (repository.model_dir("demand") / "artifact" / "more.csv").write_text("x\n")
    with pytest.raises(MlopsError, match="are not those of its last finished run"):
        current_candidate(repository, demand, but=[demand.evaluation.holdout])


def test_an_untrained_or_changed_model_is_sent_to_training(tmp_path: Path) -> None:
    repository = trained(tmp_path)
    (repository.model_dir("demand") / "predict.py").write_text(SOURCE + "\n# changed\n")
    assert error_of(repository).code == "outdated_candidate"
    (candidate_dir(repository, "demand") / "training.json").unlink()
    assert "type: mlops train demand" in error_of(repository).message


def text_in(column: str, *rows: int, text: str = "?") -> pd.DataFrame:
    table = holdout().astype({column: object})
    table.loc[list(rows), column] = text
    return table


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (holdout().drop(columns="units_last_week"), "column units_last_week is missing"),
        (holdout().drop(columns="week"), "the column week is missing"),
        (holdout().assign(series=np.nan), "column series has no value in 320 rows"),
        (text_in("actual", 3, 8), "column actual is not a number in 2 rows, such as rows 4 and 9"),
        (text_in("baseline_mean", 3), "column baseline_mean is not a number in row 4"),
        (text_in("units_last_week", 3), "column units_last_week must be a number, but"),
        (text_in("department", 3), "the column department must be one of A, B"),
        (text_in("promoted", 3), "the column promoted must be a boolean"),
        (text_in("promoted", 3, text="NA"), "promoted is NA in row 4, as R writes what is missing"),
        (holdout().assign(units_last_week=-1.0), "must be at least 0"),
        (holdout().iloc[:0], "it has no rows"),
    ],
)
def test_a_holdout_that_can_not_be_used_is_refused_by_name(
    tmp_path: Path, table: pd.DataFrame, said: str
) -> None:
    error = error_of(trained(tmp_path, table))
    assert error.code == "bad_table"
    assert said in error.message


def test_predictions_that_break_the_contract_are_refused(tmp_path: Path) -> None:
    error = error_of(trained(tmp_path, factor=-1.0))
    assert error.code == "bad_predictions"
    assert "must be at least 0" in error.message


def test_an_error_in_the_model_is_one_sentence(tmp_path: Path) -> None:
    repository = trained(tmp_path)
    (repository.model_dir("demand") / "predict.py").write_text(
        SOURCE.replace('model["factor"]', 'model["weight"]')
    )
    record(repository)
    error = error_of(repository)
    assert error.code == "model_error"
    assert "weight" in error.message
