"""A command that runs twice at once, or is killed: nothing half-written is believed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from ci.repository import Repository
from ci.targets.services import STARTING, read_record
from tests.e2e.conftest import LANGUAGES, Make
from tests.support.command import begin, mlops, result
from tests.support.linear import set_shrinkage

PATIENCE_SECONDS = 60


def hold(repository: Repository) -> Path:
    """Let the next training wait with a half-written model until the file is gone."""
    file = repository.state_dir / "hold"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    return file


def training(repository: Repository, command: subprocess.Popen[bytes]) -> psutil.Process:
    """The process that trains, once it has begun."""
    file = repository.state_dir / "training.pid"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if file.is_file() and file.read_text().endswith("\n"):
            return psutil.Process(int(file.read_text()))
        assert command.poll() is None, "the training ended before it began to wait"
        time.sleep(0.05)
    raise AssertionError("the training did not begin")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_killed_training_takes_its_children_along_and_the_next_one_goes_on(
    make: Make, language: str
) -> None:
    repository, name = make(language), f"sales-{language}"
    root, folder = repository.root, repository.model_dir(name)
    first = result(root, "train", name)
    set_shrinkage(folder, 0.1)
    held = hold(repository)
    command = begin(root, "train", name)
    child = training(repository, command)
    busy = mlops(root, "train", name, "--json")
    assert busy.error == "busy"
    assert str(command.pid) in busy.message

    command.send_signal(signal.SIGKILL)
    command.wait()
    gone, alive = psutil.wait_procs([child], timeout=PATIENCE_SECONDS)
    assert (gone, alive) == ([child], [])
    assert (folder / "artifact" / "line.csv").read_text() == "1e9,"
    for back in (False, True):
        if back:  # the sources of the first run, the half-written model of the second
            set_shrinkage(folder, 0.0)
        for step in ("evaluate", "package", "deploy"):
            assert mlops(root, step, name, "--json").error == "outdated_candidate"

    held.unlink()
    set_shrinkage(folder, 0.1)
    second = result(root, "train", name)
    assert second["fingerprint"] != first["fingerprint"]
    assert second["metrics"]["slope"] == pytest.approx(0.9 * first["metrics"]["slope"])
    assert result(root, "evaluate", name)["candidate"] > 0


def test_a_deployment_that_is_cut_off_leaves_nothing_that_stop_can_not_end(make: Make) -> None:
    repository, name = make("python"), "sales-python"
    result(repository.root, "train", name)
    command = begin(repository.root, "deploy", name)
    service = started_service(repository, name, command)
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert service.is_running()
    assert result(repository.root, "status") == []

    assert result(repository.root, "stop", name) == {"stopped": [name]}
    gone, _ = psutil.wait_procs([service], timeout=PATIENCE_SECONDS)
    assert gone == [service]
    assert read_record(repository, name).services == ()
    assert result(repository.root, "deploy", name)["version"] == 1


def started_service(
    repository: Repository, name: str, command: subprocess.Popen[bytes]
) -> psutil.Process:
    """The service that a deployment is starting, once there is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = read_record(repository, name).of(STARTING)
        if found:
            return psutil.Process(found.pid)
        assert command.poll() is None, "the deployment ended before it started a service"
        time.sleep(0.01)
    raise AssertionError("the deployment started no service")
