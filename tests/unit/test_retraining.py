"""What asks for a retraining, what holds it back, and how far a window moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.contract.retraining import Budget, Retraining, RetrainingPolicy, Window
from ci.errors import MlopsError
from ci.retrain.decide import Past, Round, Signs, changed_at, mark
from ci.retrain.window import move
from tests.support.repositories import new_repository, write_dataset, write_model

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
WINDOW: dict[str, Any] = {
    "dataset": "sales",
    "table": "sales",
    "column": "week",
    "parameters": {"split.last_week": -9},
}
POLICY = RetrainingPolicy(cooldown_days=7, budget=Budget(pull_requests=2, days=30))


def rules(**changes: Any) -> Retraining:
    return Retraining.model_validate({"window": WINDOW, **changes})


def past(model: str, days: float, changed: float | None = None) -> Past:
    opened = NOW - timedelta(days=days)
    return Past(model, opened, NOW - timedelta(days=days if changed is None else changed))


@pytest.mark.parametrize(
    ("rule", "signs", "said"),
    [
        (rules(), Signs(), "nothing asks for it"),
        (rules(), Signs(drift=(3, 4)), "drift: #3, #4"),
        (rules(), Signs(performance=(5,)), "performance below policy: #5"),
        (rules(triggers=["data"]), Signs(drift=(3,), performance=(5,)), "nothing asks for it"),
        (rules(), Signs(data_changed=NOW - timedelta(days=8)), "new data since 2026-11-13"),
        (rules(), Signs(data_changed=NOW - timedelta(days=10)), "nothing asks for it"),
        (rules(schedule="0 6 * * *"), Signs(), "its schedule '0 6 * * *' is due"),
        (rules(schedule="0 6 1 * *"), Signs(), "nothing asks for it"),
        (rules(), Signs(asked="alice asked for it: prices"), "alice asked for it: prices"),
    ],
)
def test_reasons(rule: Retraining, signs: Signs, said: str) -> None:
    decision = Round(POLICY, [], NOW).decide("orders", rule, signs)
    assert decision.said().startswith(said)
    assert decision.go is (said != "nothing asks for it")


def test_a_slot_is_answered_once_however_late() -> None:
    rule = rules(schedule="0 6 20 * *")
    assert Round(POLICY, [past("orders", 30)], NOW).decide("orders", rule, Signs()).go
    done = Round(POLICY, [past("orders", 1)], NOW).decide("orders", rule, Signs())
    assert not done.reasons


def test_it_cools_down_from_the_last_change_and_a_person_is_not_held_back() -> None:
    turn = Round(POLICY, [past("orders", 20, changed=3)], NOW)
    held = turn.decide("orders", rules(), Signs(drift=(1,)))
    assert not held.go
    assert "cools down until 2026-11-25 08:00 UTC" in held.said()
    assert turn.decide("orders", rules(), Signs(drift=(1,), asked="alice asked for it")).go
    assert Round(POLICY, [past("orders", 8)], NOW).decide("orders", rules(), Signs(drift=(1,))).go


def test_of_several_the_newest_is_cooled_down_from() -> None:
    turn = Round(POLICY, [past("orders", 40), past("orders", 3), past("orders", 20)], NOW)
    assert not turn.decide("orders", rules(), Signs(drift=(1,))).go


def test_another_model_s_retraining_cools_nothing_down() -> None:
    turn = Round(POLICY, [past("visits", 3)], NOW)
    assert turn.decide("orders", rules(), Signs(drift=(1,))).go


def test_the_budget_is_that_of_all_models_together() -> None:
    turn = Round(POLICY, [past("visits", 8), past("visits", 40)], NOW)
    assert turn.decide("orders", rules(), Signs(drift=(1,))).go
    held = turn.decide("visits", rules(), Signs(drift=(2,)))
    assert "2 retrainings in 30 days are the whole budget" in held.said()


def test_data_is_new_once() -> None:
    data = Signs(data_changed=NOW - timedelta(days=8))
    assert not Round(POLICY, [past("orders", 7.5)], NOW).decide("orders", rules(), data).reasons


def test_when_it_last_changed_stands_in_its_text() -> None:
    assert changed_at(f"{mark(NOW)}\n\nText") == NOW
    assert changed_at("edited") is None
    assert changed_at("<!-- kronkers retrained soon -->") is None


def windowed(tmp_path: Path, table: str, window: dict[str, Any], params: str) -> Any:
    repository = new_repository(tmp_path)
    folder = write_dataset(repository, "sales")
    columns = {name: {"type": "string"} for name in table.splitlines()[0].split(",")}
    contract = {
        **dict.fromkeys(("description", "source", "licence", "retention"), "x"),
        **{"name": "sales", "owner": "data", "pii": "none"},
        "tables": {"sales": {"file": "tables/sales.csv", "columns": columns}},
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(contract))
    (folder / "tables" / "sales.csv").write_text(table)
    model = write_model(repository, "orders", retraining={"window": {**WINDOW, **window}})
    (model / "params.yaml").write_text(params)
    return repository


PARAMS = "# weeks\nsplit: {last_week: 44, first: 2}\n"


@pytest.mark.parametrize(
    ("table", "window", "params", "newest", "wanted"),
    [
        ("week,x\n53,1\n52,1\n", {}, PARAMS, "53", PARAMS),
        ("week,x\n57,1\n52,1\n,1\n", {}, PARAMS, "57", PARAMS.replace("44", "48")),
        ("week,x\n9,1\n10,1\n", {}, PARAMS, "10", PARAMS.replace("44", "1")),
        (
            "week,x\n2026-03-02 11:00:00,1\n2026-02-28,1\n",
            {"parameters": {"split.last_week": -2}},
            PARAMS.replace("44", "'2026-02-20'"),
            "2026-03-02",
            PARAMS.replace("44", "'2026-02-28'"),
        ),
    ],
)
def test_the_window_follows_the_data(
    tmp_path: Path, table: str, window: dict[str, Any], params: str, newest: str, wanted: str
) -> None:
    repository = windowed(tmp_path, table, window, params)
    moved = move(repository, "orders")
    assert str(moved.newest) == newest
    assert (repository.root / moved.path).read_text() == wanted
    assert bool(moved.changes) is (params != wanted)
    assert not move(repository, "orders").changes


def test_a_table_of_several_pieces_has_one_newest_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.retrain.window.PIECE_ROWS", 1)
    repository = windowed(tmp_path, "week,x\n52,1\n57,1\n,1\n55,1\n", {}, PARAMS)
    assert move(repository, "orders").newest == 57


@pytest.mark.parametrize(
    ("table", "window", "code"),
    [
        ("week,x\nlast,1\n", {}, "bad_window"),
        ("week,x\n1,1\n2026-01-01,1\n", {}, "bad_window"),
        ("week,x\n", {}, "bad_window"),
        ("week,x\n1,1\n", {"column": "day"}, "bad_window"),
        ("week,x\n1,1\n", {"table": "orders"}, "bad_window"),
        ("week,x\n1,1\n", {"dataset": "sale"}, "unknown_dataset"),
        ("week,x\n1,1\n", {"parameters": {"split.frist": 0}}, "no_parameter"),
    ],
)
def test_a_window_that_fits_nothing_changes_nothing(
    tmp_path: Path, table: str, window: dict[str, Any], code: str
) -> None:
    repository = windowed(tmp_path, table, window, PARAMS)
    with pytest.raises(MlopsError) as caught:
        move(repository, "orders")
    assert caught.value.code == code
    assert (repository.models_dir / "orders" / "params.yaml").read_text() == PARAMS


def test_a_window_leaves_no_declared_range(tmp_path: Path) -> None:
    repository = windowed(tmp_path, "week,x\n90,1\n", {}, PARAMS)
    path = repository.models_dir / "orders" / "model.yaml"
    contract = yaml.safe_load(path.read_text())
    declared = {"type": "integer", "owner": "data", "description": "x", "maximum": 60}
    contract["parameters"] = {"split.last_week": declared}
    path.write_text(yaml.safe_dump(contract))
    with pytest.raises(MlopsError, match="forbids"):
        move(repository, "orders")


def test_policy_keys_have_their_limits() -> None:
    with pytest.raises(ValueError, match="budget"):
        RetrainingPolicy.model_validate({"budget": {"days": 0}})
    assert Window.model_validate(WINDOW).parameters == {"split.last_week": -9}
