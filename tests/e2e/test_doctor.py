"""`mlops doctor` on a model that is served: broken in each way, named, and mended as it says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from ci.registry.versions import PRODUCTION, by_alias, point, registered
from ci.repository import Repository
from ci.targets import front, processes
from ci.targets.launch import bento_folder, records_dir
from ci.targets.local import recorded
from ci.targets.services import Service
from tests.support import linear
from tests.support.command import mlops, result
from tests.support.waiting import wait_for

NAME = "sales-python"
# Fails above 98, takes its time above 97.
PREDICT = """
import time


def load_model(directory):
    return 2.0


def predict(model, rows):
    if rows["price"].max() > 98:
        raise ValueError("no such price")
    if rows["price"].max() > 97:
        time.sleep(1.5)
    return 400 - 3 * rows["price"]
"""


@dataclass
class Ward:
    """A repository whose model is served in version 2."""

    repository: Repository

    @property
    def root(self) -> Path:
        return self.repository.root

    @property
    def service(self) -> Service:
        found = recorded(self.repository, NAME)
        assert found
        return found

    def findings(self) -> dict[str, str]:
        """Problem → what to type."""
        done = mlops(self.root, "doctor", "--json")
        found = {each["problem"]: each["type"] for each in done.json["findings"]}
        assert done.code == (1 if found else 0)
        return found

    def finding(self, part: str) -> str:
        """What to type for the one problem whose text holds ``part``."""
        found = self.findings()
        [command] = [command for problem, command in found.items() if part in problem]
        return command

    def type(self, command: str) -> None:
        """As a person would."""
        subprocess.run(command, shell=True, cwd=self.root, check=True)  # noqa: S602

    def call(self, price: float) -> int:
        rows = [{"price": price, "region": "north"}]
        return httpx.post(f"{self.service.url}/predict", json={"rows": rows}).status_code

    def api(self) -> int:
        [pid] = processes.children(self.service.pid)
        return pid

    def worker(self) -> int:
        [pid] = processes.children(self.api())
        return pid

    def well(self) -> bool:
        return self.findings() == {}


@pytest.fixture(scope="module")
def ward(with_data: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    root = tmp_path_factory.mktemp("ward") / "repository"
    shutil.copytree(with_data.root, root, symlinks=True)
    repository = Repository(root)
    folder = linear.write_linear_model(repository, NAME, "python")
    (folder / "predict.py").write_text(PREDICT)
    for shrinkage in (0.2, 0.0):
        linear.set_shrinkage(folder, shrinkage)
        (folder / "predict.py").write_text(PREDICT.replace("3 *", f"{3 * (1 - shrinkage)} *"))
        for command in ("train", "evaluate", "deploy"):
            result(root, command, NAME)
    yield Ward(repository)
    mlops(root, "stop")


@pytest.fixture(autouse=True)
def _healed(ward: Ward) -> Iterator[None]:
    """Each test begins and ends with a service that runs as new, and no calls to speak of."""
    yield
    mlops(ward.root, "stop")
    shutil.rmtree(records_dir(ward.repository, NAME), ignore_errors=True)
    result(ward.root, "start")


def test_all_is_well(ward: Ward) -> None:
    assert ward.call(10) == 200
    assert ward.findings() == {}


def test_with_keys_all_is_well_too(ward: Ward) -> None:
    made = result(ward.root, "keys", "make", "platform")
    os.kill(ward.worker(), signal.SIGKILL)
    wait_for(lambda: httpx.get(f"{ward.service.url}/readyz").status_code == 200)
    assert ward.finding("'s model died") == f"mlops logs {NAME}"
    result(ward.root, "keys", "revoke", made["id"])
    (ward.repository.state_dir / "access.json").unlink()


def test_a_service_that_was_killed(ward: Ward) -> None:
    os.killpg(ward.service.pid, signal.SIGKILL)
    command = ward.finding("does not run")
    assert command == f"mlops start {NAME}"
    ward.type(command)
    assert ward.well()


def test_a_service_that_hangs(ward: Ward) -> None:
    halted = [ward.service.pid, ward.api()]  # the supervisor would replace the other
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    command = ward.finding("does not answer at")
    assert command == f"mlops stop {NAME} && mlops start {NAME}"
    for pid in reversed(halted):
        os.kill(pid, signal.SIGCONT)
    ward.type(command)
    assert ward.well()


def test_haproxy_that_is_gone(ward: Ward) -> None:
    doorman = front.recorded(ward.repository)
    assert doorman
    processes.stop(doorman.pid, doorman.started)
    command = ward.finding("callers reach no model")
    assert command == "mlops start"
    ward.type(command)
    assert ward.well()


def test_a_model_without_a_process(ward: Ward) -> None:
    """Its code can't be loaded any more, so that its process can't be replaced."""
    [predict] = bento_folder(ward.repository, ward.service.bento).rglob("predict.py")
    text = predict.read_text()
    predict.chmod(0o644)
    predict.write_text("raise SystemExit(1)\n")
    os.kill(ward.worker(), signal.SIGKILL)
    wait_for(lambda: httpx.get(f"{ward.service.url}/readyz").status_code == 503)
    found = ward.findings()
    assert {found[each] for each in found if "can't serve" in each} == {f"mlops logs {NAME}"}
    assert [each for each in found if "is not the one that was deployed" in each]
    predict.write_text(text)
    wait_for(lambda: httpx.get(f"{ward.service.url}/readyz").status_code == 200)


def _another_worker(ward: Ward, gone: int) -> bool:
    return [gone] != processes.children(ward.api())


def test_processes_that_die(ward: Ward) -> None:
    for _ in range(2):
        old = ward.worker()
        os.kill(old, signal.SIGKILL)
        wait_for(partial(_another_worker, ward, old))
        wait_for(lambda: httpx.get(f"{ward.service.url}/readyz").status_code == 200)
    assert ward.finding("2 times since it was started") == f"mlops logs {NAME}"


def test_an_api_that_dies(ward: Ward) -> None:
    wait_for(lambda: processes.age_seconds(ward.service.pid) > 10)
    os.kill(ward.api(), signal.SIGKILL)
    wait_for(lambda: processes.children(ward.service.pid))
    wait_for(lambda: httpx.get(f"{ward.service.url}/readyz").status_code == 200)
    assert ward.finding("that answers calls died") == f"mlops logs {NAME}"


def test_calls_that_fail(ward: Ward) -> None:
    assert [ward.call(10), ward.call(99)] == [200, 500]
    command = ward.finding("failed on 1 of ")
    shown = mlops(ward.root, *command.split()[1:], "--json").json
    assert [each["code"] for each in shown["requests"]] == ["model_error"]
    assert "no such price" in shown["output"][0]


def test_calls_that_are_slow(ward: Ward) -> None:
    assert [ward.call(10), ward.call(97.5)] == [200, 200]
    assert ward.finding(" took over 1 s (p99 1.5 s)") == f"mlops logs {NAME}"


def test_records_that_can_not_be_written(ward: Ward) -> None:
    path = records_dir(ward.repository, NAME) / "access.jsonl"
    ward.call(10)
    wait_for(path.exists)
    path.unlink()
    path.symlink_to("/dev/full")
    assert "df -h" in ward.finding("can't write its access records")
    path.unlink()
    assert ward.well()


def test_another_version_than_is_in_production(ward: Ward) -> None:
    aliases = registered(ward.repository, NAME)[NAME].aliases
    point(ward.repository, NAME, {**aliases, PRODUCTION: 1}, None)
    command = ward.finding("Version 1 of sales-python is in production, and 2 runs")
    ward.type(command)
    declared = by_alias(ward.repository, NAME, PRODUCTION)
    assert declared
    assert (ward.service.version, declared.version) == (2, 2), "as its events say"
    assert ward.well()


def test_a_bento_that_was_changed(ward: Ward) -> None:
    [predict] = bento_folder(ward.repository, ward.service.bento).rglob("predict.py")
    predict.chmod(0o644)
    with predict.open("a") as file:
        file.write("# by hand\n")
    command = ward.finding("The Bento of version 2")
    ward.type(command)
    assert ward.well()


def test_what_is_here_and_was_never_started(ward: Ward) -> None:
    """As after `mlops restore` on a new machine."""
    result(ward.root, "stop")
    shutil.rmtree(ward.repository.state_dir / "live")
    command = ward.finding(f"Version 2 of {NAME} is here and does not run")
    ward.type(command)
    assert ward.well()
