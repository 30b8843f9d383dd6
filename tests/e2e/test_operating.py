"""What an operator does with versions that were live: start, stop and go back."""

from __future__ import annotations

import socket

import httpx
import pytest

from ci.busy import only_one
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.targets import local
from tests.e2e.conftest import Make
from tests.e2e.test_whole_way import post, release
from tests.support.command import mlops, result
from tests.support.linear import set_shrinkage


def test_what_was_live_is_served_again_whatever_the_working_tree_holds(make: Make) -> None:
    repository, name = make("python"), "sales-python"
    root = repository.root
    assert mlops(root, "start", name, "--json").error == "not_deployed"
    assert result(root, "start") == {"started": []}
    live = {key: value for key, value in release(root, name).items() if key != "shadow"}
    before = post(live["url"], {"price": 10})

    assert result(root, "start", name) == {"started": []}
    result(root, "stop", name)
    (repository.model_dir(name) / "train.py").write_text("raise SystemExit(1)\n")
    with socket.create_server(("127.0.0.1", httpx.URL(live["url"]).port)):
        assert mlops(root, "start", name, "--json").error == "port_in_use"
    assert result(root, "start") == {"started": [live]}
    assert post(live["url"], {"price": 10}) == before
    [row] = result(root, "status")
    assert (row["version"], row["state"]) == (1, "running")
    assert mlops(root, "start", "nobody", "--json").error == "unknown_model"


DEPENDS = """
import os

def is_gone():
    return os.path.exists("{gone}")

"""


@pytest.mark.parametrize(
    ("where", "code"),
    [("load_model(directory)", "start_failed"), ("predict(model, rows)", "probe_failed")],
)
def test_a_rollback_to_what_can_not_answer_changes_nothing(
    make: Make, where: str, code: str
) -> None:
    """Something outside of it that it needs is no longer there."""
    repository, name = make("python"), "sales-python"
    root, folder = repository.root, repository.model_dir("sales-python")
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(policy.read_text().replace("warm_seconds: 3600", "warm_seconds: 0"))
    set_shrinkage(folder, 0.2)
    predict, gone = folder / "predict.py", root / "gone"
    text = predict.read_text()
    needs = f"def {where}:\n    if is_gone():\n        raise ValueError('no')"
    predict.write_text(DEPENDS.format(gone=gone) + text.replace(f"def {where}:", needs))
    release(root, name)
    predict.write_text(text)
    set_shrinkage(folder, 0.0)
    live = release(root, name)
    answer = post(live["url"], {"price": 10})

    gone.touch()
    assert mlops(root, "rollback", name, "--json").error == code
    assert post(live["url"], {"price": 10}) == answer
    [row] = result(root, "status")
    assert (row["version"], row["state"]) == (2, "running")


def test_what_a_cut_off_command_did_not_tell_mlflow_is_told_by_the_next(make: Make) -> None:
    repository, name = make("python"), "sales-python"
    root, folder = repository.root, repository.model_dir(name)
    set_shrinkage(folder, 0.2)
    url = release(root, name)["url"]
    set_shrinkage(folder, 0.0)
    release(root, name)
    before = local.warm(repository, name)
    assert before
    local.take_over(repository, before, load_policy(repository, DeploymentPolicy).local)
    assert post(url, {"price": 10})["version"] == 1

    assert result(root, "start", name) == {"started": []}
    rows = result(root, "status")
    assert [(row["version"], row["state"]) for row in rows] == [(1, "running"), (2, "warm")]
    assert result(root, "rollback", name) == {"model": name, "from": 1, "to": 2}
    with only_one(repository, "deploy", name):
        for command in ("deploy", "rollback", "start", "stop"):
            assert mlops(root, command, name, "--json").error == "busy"
        assert post(url, {"price": 10})["version"] == 2

    result(root, "registry", "rebuild")
    set_shrinkage(folder, 0.05)
    result(root, "train", name)
    result(root, "evaluate", name)
    judged = mlops(root, "gate", name, "--json")
    assert "verdict" in judged.json, "a registry without runs is enough to judge by"
