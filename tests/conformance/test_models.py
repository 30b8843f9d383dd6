"""What every model keeps, in whatever language it is and whoever wrote it.

`python -m pytest tests/conformance --model NAME` holds one model to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import pytest

from ci.check import check
from ci.contract.model import ModelContract
from ci.evaluate.evaluate import evaluate
from ci.evaluate.outcome import Origin
from ci.evaluate.predict import predict
from ci.evaluate.table import require_columns
from ci.pipeline.candidate import check_outputs, required_files
from ci.pipeline.dvc import reproduce
from ci.repository import Repository
from ci.score import score_with
from tests.conformance.conftest import REPOSITORY, Trained
from tests.support.bad_rows import bad_rows
from tests.support.broken_models import Broken
from tests.support.resampling import WAYS, false_alarms, reference_of
from tests.support.services import Running

if TYPE_CHECKING:
    from ci.evaluate.answers import Predictions

SAME_ROWS = 500
COMPARED_ROWS = 40
TOLERANCE = 1e-9


def test_the_contract_is_valid(model: str) -> None:
    assert check(REPOSITORY, model) == []


def test_the_holdout_keeps_the_contract_and_can_be_judged(trained: Trained, tmp_path: Path) -> None:
    table = trained.table(10**9)
    require_columns(table, trained.contract, "the holdout")
    answers = predict(trained.servable(), table, "the holdout", tmp_path / "state")
    metrics = check_outputs(trained.folder, trained.contract)
    origin = Origin(fingerprint="f" * 40, outputs={}, holdout_digest="d" * 64)
    found = evaluate(trained.contract, table, answers, None, metrics, origin)
    assert all(result.candidate is not None for result in found.metrics)
    assert all(value is not None for value in found.baselines.values())


def test_every_file_that_later_steps_read_keeps_the_contract(
    trained: Trained, tmp_path: Path
) -> None:
    """The reference and analysis periods and what is scored at night go the way of any batch."""
    files = {path for path in required_files(trained.contract) if path.startswith("evaluation/")}
    for number, path in enumerate(sorted(files - {trained.contract.evaluation.holdout})):
        target = tmp_path / f"{number}.csv"
        scored = score_with(trained.servable(), trained.folder / path, target, tmp_path / "state")
        assert scored.rows > 0


def test_training_again_elsewhere_gives_the_same_predictions(
    trained: Trained, elsewhere: Repository, model: str, tmp_path: Path
) -> None:
    assert not (elsewhere.model_dir(model) / "artifact").exists()
    reproduce(elsewhere, f"models/{model}/dvc.yaml", tmp_path / "train.log")
    again = Trained(elsewhere.model_dir(model), trained.contract)
    check_outputs(again.folder, trained.contract)
    first = _predictions(trained, tmp_path)
    assert first == _predictions(again, tmp_path)
    assert again.rows(SAME_ROWS) == trained.rows(SAME_ROWS)


def _predictions(trained: Trained, directory: Path) -> Predictions:
    table = trained.table(SAME_ROWS)
    return predict(trained.servable(), table, "the holdout", directory / "predict.log")


def test_a_reference_drawn_again_is_no_alert(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _false_alarms(trained, "by chunks", range(1), tmp_path, monkeypatch) == {}


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", list(WAYS))
def test_of_200_references_drawn_again_two_per_cent_at_most_are_alerts(
    trained: Trained, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _false_alarms(trained, way, range(200), tmp_path, monkeypatch)
    assert len(found) <= 4, found


def _false_alarms(
    trained: Trained, way: str, seeds: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[int, Any]:
    # An estimate is shown and never alerts, and it is most of the time that a check takes.
    monkeypatch.setattr("ci.monitor.performance.estimated", lambda *_: [])
    reference = reference_of(trained.servable(), trained.folder, tmp_path / "log")
    return false_alarms(trained.contract, reference, way, seeds)


def test_one_row_many_rows_and_batch_agree(
    trained: Trained, service: Running, tmp_path: Path
) -> None:
    rows = trained.rows(COMPARED_ROWS)
    many = _answers(service, rows)
    single = [answer for row in rows for answer in _answers(service, [row])]
    source, target = tmp_path / "rows.csv", tmp_path / "scored.csv"
    trained.table(COMPARED_ROWS)[list(trained.contract.input)].to_csv(source, index=False)
    score_with(trained.servable(), source, target, tmp_path / "state")
    batch = _read_predictions(trained, target)
    assert len(many) == len(rows)
    for one, other, scored in zip(many, single, batch, strict=True):
        _agree(one, other)
        _agree(one, scored)


def _answers(service: Running, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = service.client.post("/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    return [each if isinstance(each, dict) else {"": each} for each in predictions]


def _read_predictions(trained: Trained, path: Path) -> list[dict[str, Any]]:
    outputs = trained.contract.output
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)[list(outputs)]
    read: dict[str, Callable[[str], Any]] = {
        "number": float,
        "integer": int,
        "boolean": lambda text: text == "true",
        "string": str,
    }
    rows = [
        {name: read[column.type](row[name]) for name, column in outputs.items()}
        for row in texts.to_dict("records")
    ]
    return rows if len(outputs) > 1 else [{"": next(iter(row.values()))} for row in rows]


def _agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, float):
            assert math.isclose(value, other[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE), name
        else:
            assert value == other[name], name


def test_the_example_of_the_documents_works_as_it_stands(service: Running) -> None:
    document = service.client.get("/docs.json").json()
    media = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert len(_answers(service, media["example"]["rows"])) == len(media["example"]["rows"])


def test_a_row_that_breaks_the_schema_is_refused_with_the_column_named(
    contract: ModelContract, service: Running
) -> None:
    for column, problem, row in bad_rows(contract):
        answer = service.client.post("/predict", json={"rows": [contract.example_row(), row]})
        assert answer.status_code == 422, (column, problem, answer.text)
        error = answer.json()["error"]
        found = {(each["index"], each["column"]) for each in error["rows"]}
        assert error["code"] == "invalid_rows"
        assert found == {(1, column)}, (column, problem, answer.text)


def test_a_value_that_may_be_missing_may_be_missing(
    contract: ModelContract, service: Running
) -> None:
    nullable = [name for name, column in contract.input.items() if column.nullable]
    rows = [{**contract.example_row(), name: None} for name in nullable]
    rows.append({k: v for k, v in contract.example_row().items() if k not in nullable})
    assert len(_answers(service, rows)) == len(rows)


def test_nan_is_refused_by_column(contract: ModelContract, service: Running) -> None:
    headers = {"content-type": "application/json"}
    content = f'{{"rows": [{{"{next(iter(contract.input))}": NaN}}]}}'
    answer = service.client.post("/predict", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_rows")


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [("raise", 500, "model_error"), ("exit", 503, "no_worker"), ("loop", 504, "deadline")],
)
def test_broken_code_is_an_error_and_the_next_request_is_answered(
    contract: ModelContract, broken: Broken, action: str, status: int, code: str
) -> None:
    row = contract.example_row()
    answer = broken.predict(action, row)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert "a secret" not in answer.text
    assert broken.predict("answer", row).status_code == 200


def test_after_a_worker_is_killed_the_next_request_is_answered(
    contract: ModelContract, broken: Broken
) -> None:
    workers = broken.service.workers()
    assert workers
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=10)
    assert broken.predict("answer", contract.example_row()).status_code == 200
