"""A search on request: from the form to a pull request that is judged, and what it refuses."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.github.client import GitHub
from ci.repository import Repository
from ci.tune.outcome import Search
from ci.tune.proposal import FOUND, budget_of, publish
from ci.tune.record import keep_trials
from tests.support.linear import write_linear_model
from tests.support.repositories import new_repository, write_dataset
from tests.workflows.runs import Run
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.hub import BOT
from tests.workflows.standin.job import job_client
from tests.workflows.world import World

NAME, BRANCH = "sales-python", "tune/sales-python"
PARAMS = f"models/{NAME}/params.yaml"
WORSE = "# Ask Grace first.\ntrain: {shrinkage: 0.9}\n"


def search(world: World, trials: str = "2") -> Run:
    run = world.dispatch("tune.yml", {"model": NAME, "trials": trials})
    assert run.conclusion == "success", run.log
    return run


def kept(world: World, folder: Path) -> list[tuple[str, float]]:
    """Name and value of each trial in the registry of the state branch."""
    file = folder / "kept.db"
    command = ["git", "cat-file", "blob", "mlops-state:mlflow.db"]
    file.write_bytes(subprocess.check_output(command, cwd=world.github.bare))
    wanted = (
        "SELECT runs.name, metrics.value FROM runs JOIN experiments USING (experiment_id) "
        "JOIN metrics USING (run_uuid) WHERE experiments.name = ? ORDER BY runs.name, runs.run_uuid"
    )
    with closing(sqlite3.connect(file)) as database:
        return list(database.execute(wanted, [f"{NAME}-tune"]))


def test_the_best_becomes_a_pull_request_whose_checks_are_started(
    world: World, tmp_path: Path
) -> None:
    world.commit({PARAMS: WORSE})
    run = search(world)
    (pull,) = world.github.pulls.values()
    assert (pull["author"], pull["head_ref"], pull["base_ref"]) == (BOT, BRANCH, "main")
    assert pull["title"] == f"Better parameters for {NAME}"
    assert world.github.git("diff", "--name-only", "main", BRANCH).split() == [PARAMS]
    best = yaml.safe_load(world.file(PARAMS, BRANCH))["train"]["shrinkage"]
    assert 0 <= best < 0.9
    assert world.file(PARAMS, BRANCH) == WORSE.replace("0.9", str(best)).strip()
    assert f"| `train.shrinkage` | 0.9 | {best} |" in pull["body"]
    assert "looked at 3 times" in pull["body"], "how far the numbers can be trusted"
    assert "proposes them" in run.summary
    trials = kept(world, tmp_path)
    assert [name for name, _ in trials] == ["trial-0", "trial-1", "trial-2"]
    assert min(value for _, value in trials) < trials[0][1]
    assert [each["inputs"] for each in world.github.dispatches] == [{"pull": str(pull["number"])}]


@pytest.mark.long
def test_it_is_trained_and_judged_like_any_other(world: World) -> None:
    world.commit({PARAMS: WORSE})
    search(world)
    (checks,) = world.run_dispatched()
    assert checks.ran() == ["plan", NAME]
    world.run_report(checks, "requested")
    world.run_report(checks, "completed")
    (pull,) = world.github.pulls
    assert world.status(pull)["state"] == "success"


@pytest.mark.long
def test_another_search_brings_the_open_one_up_to_date(world: World, tmp_path: Path) -> None:
    world.commit({PARAMS: WORSE})
    search(world, "1")
    first = yaml.safe_load(world.file(PARAMS, BRANCH))["train"]["shrinkage"]
    run = search(world, "5")
    assert "proposes them now" in run.summary
    assert len(world.github.pulls) == 1
    assert yaml.safe_load(world.file(PARAMS, BRANCH))["train"]["shrinkage"] < first
    assert "proposes just them" in search(world, "5").summary
    assert len(kept(world, tmp_path)) == 2 + 6 + 6


@pytest.mark.long
def test_where_none_is_better_the_trials_are_kept_and_nothing_is_opened(
    world: World, tmp_path: Path
) -> None:
    run = search(world, "1")
    assert "none of 1 trials was better" in run.summary
    assert "No pull request is opened" in run.summary
    assert world.github.pulls == {}
    assert len(kept(world, tmp_path)) == 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"model": "sales-pyton"}, "sales-python"),
        ({"model": NAME, "trials": "many"}, "is to be a whole number"),
    ],
)
def test_what_can_not_be_searched_fails_in_a_sentence(
    world: World, inputs: dict[str, str], said: str
) -> None:
    run = world.dispatch("tune.yml", inputs)
    assert run.conclusion == "failure"
    assert said in run.log
    assert world.github.pulls == {}


# --- what the search job hands over is a stranger's: model code ran there -------------------------


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Publish this record, in a repository with the model; returns what is said."""
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    write_linear_model(repository, NAME, "python")
    hub = Hub(tmp_path)
    with Standin(hub):
        hub.tokens["token"] = Token(BOT, {})
        github: GitHub = job_client(hub, "token", tmp_path)

        def hand(record: dict[str, Any]) -> str:
            (tmp_path / FOUND).write_text(json.dumps(record))
            return publish(repository, github, github, NAME, tmp_path)

        yield hand
    assert hub.pulls == {}
    assert yaml.safe_load((repository.root / PARAMS).read_text()) == {"train": {"shrinkage": 0.0}}


def trial(number: int, shrinkage: object, value: float = 9.0) -> dict[str, Any]:
    found = {"parameters": {"train.shrinkage": shrinkage}, "problem": None, "run_id": "x"}
    return {"number": number, "value": value, "seconds": 1.0, **found}


def record(**changes: Any) -> dict[str, Any]:
    found = {
        "model": NAME,
        "metric": "mae",
        "judged_on": "holdout",
        "rows": 600,
        "trials": [trial(0, 0.0), trial(1, 0.5, 3.0)],
        "best": 1,
        "difference": 6.0,
        "interval": [5.0, 7.0],
        "finding": "better",
        "seconds": 2.0,
        "search": "20261121-080000",
        "note": "So it is.",
    }
    return {**found, **changes}


def extra(parameters: dict[str, Any]) -> dict[str, Any]:
    return {**trial(1, 0.5), "parameters": parameters}


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "another"},
        {"metric": "rmse"},
        {"trials": []},
        {"trials": [trial(0, 0.3), trial(1, 0.5)]},
        {"trials": [trial(0, 0.0), trial(1, 1.5)]},
        {"trials": [trial(0, 0.0), trial(1, "0.5")]},
        {"trials": [trial(0, 0.0), trial(1, True)]},
        {"trials": [trial(0, 0.0), trial(2, 0.5)]},
        {"trials": [trial(0, 0.0), extra({"train.shrinkage": 0.5, "train.other": 1})]},
        {"trials": [trial(0, 0.0), extra({})]},
        {"best": 0},
        {"best": 2},
        {"best": -1},
        {"search": "' OR '1' = '1"},
        {"seconds": "NaN"},
    ],
)
def test_a_record_that_no_search_of_this_model_writes_is_refused(
    handed: Callable[[dict[str, Any]], str], changes: dict[str, Any]
) -> None:
    with pytest.raises(MlopsError) as caught:
        handed(record(**changes))
    assert caught.value.code == "bad_handover"


@pytest.fixture
def small(tmp_path: Path) -> Repository:
    repository = new_repository(tmp_path)
    write_linear_model(repository, NAME, "python")
    return repository


def test_a_search_that_is_handed_over_twice_is_kept_once(small: Repository) -> None:
    found = Search.model_validate(record())
    assert [keep_trials(small, found, "https://example.com/run") for _ in range(2)] == [2, 0]


@pytest.mark.parametrize(
    ("trials", "minutes"),
    [("0", ""), ("-1", ""), ("1.5", ""), ("10001", ""), ("", "0"), ("", "101"), ("", "nan")],
)
def test_a_budget_that_is_none_is_refused(small: Repository, trials: str, minutes: str) -> None:
    with pytest.raises(MlopsError) as caught:
        budget_of(load_model_contract(small, NAME), trials, minutes)
    assert caught.value.code == "bad_budget"


def test_an_empty_budget_is_the_contract_s_as_far_as_a_job_lasts(small: Repository) -> None:
    contract = load_model_contract(small, NAME)
    assert budget_of(contract, "", "") == (20, 60.0)
    path = small.model_dir(NAME) / "model.yaml"
    text = path.read_text() + "tune: {trials: 7, minutes: 600}\n"
    path.write_text(text)
    assert budget_of(load_model_contract(small, NAME), " ", "") == (7, 100.0)
    assert budget_of(load_model_contract(small, NAME), "3", "2.5") == (3, 2.5)
