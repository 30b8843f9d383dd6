"""Processes of the local target: ended politely, and only as hard as it must be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from bentos.serve import serve_environment
from ci.contract.deployment import DockerTarget
from ci.errors import MlopsError
from ci.images.ssh import keep_port
from ci.repository import Repository
from ci.targets import launch, local, processes
from ci.targets.engine import engine_of
from ci.targets.services import LIVE, Record, Service, write_record

# Ends a while after it was told to, and says so.
SLOW = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(1)
    pathlib.Path(sys.argv[1]).write_text("answered")
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1] + ".ready").touch()
time.sleep(60)
"""


def start_slow(folder: Path) -> tuple[int, str, Path]:
    said = folder / "said"
    command = [sys.executable, "-c", SLOW, str(said)]
    pid, started = processes.start(command, {}, folder / "log", folder)
    while not said.with_suffix(".ready").exists():
        assert processes.is_running(pid, started), (folder / "log").read_text()
    return pid, started, said


def test_a_process_is_waited_for(tmp_path: Path) -> None:
    pid, started, said = start_slow(tmp_path)
    processes.stop(pid, started, 30)
    assert said.read_text() == "answered"
    assert not processes.is_running(pid, started)


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    pid, started, said = start_slow(tmp_path)
    processes.stop(pid, started, 0)
    assert not processes.is_running(pid, started)
    assert not said.exists()


def test_a_later_process_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    pid, started, _ = start_slow(tmp_path)
    processes.stop(pid, "1", 0)
    assert processes.is_running(pid, started)
    processes.stop(pid, started, 0)


def test_a_service_may_take_as_long_as_its_model_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that it has begun get their answer, however long the contract lets them take."""
    monkeypatch.setattr(processes, "STOP_SECONDS", 0)
    repository = Repository(tmp_path)
    pid, started, said = start_slow(tmp_path)
    service = Service("slow", 1, "slow:1", "1", "", 0, pid, started, "", LIVE)
    write_record(repository, Record("slow", (service,)))
    contract = launch.bento_folder(repository, "slow:1") / "src" / "contract.json"
    contract.parent.mkdir(parents=True)
    contract.write_text(json.dumps({"serving": {"timeout_seconds": 20}}))
    assert local.stop(repository, "slow")
    assert said.read_text() == "answered"


def test_a_service_is_given_nothing_of_our_environment_that_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("R_LIBS_USER", "/somewhere")
    given = serve_environment(None, tmp_path)
    assert "secret" not in given.values()
    assert given["R_LIBS_USER"] == "/somewhere"
    assert given["BENTOML_HOME"] == str(tmp_path)
    assert given["BENTOML_DO_NOT_TRACK"] == "true"


def test_an_engine_whose_containers_nobody_here_could_reach_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.7:2375")
    with pytest.raises(MlopsError, match="ssh://USER@MACHINE") as caught:
        engine_of(DockerTarget())
    assert caught.value.code == "far_engine"
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert engine_of(DockerTarget()) == "tcp://127.0.0.1:2375"
    for good in ("ssh://m", "ssh://mlops@m.example:2222/run/docker.sock", "ssh://u@[fe80::1]"):
        assert engine_of(DockerTarget(engine=good)) == good
    for bad in ("tcp://10.0.0.7:2375", "ssh://", "ssh://u@-oProxyCommand=x y", "ssh://u:secret@m"):
        with pytest.raises(ValidationError, match="write it as unix:///PATH, or as ssh://USER"):
            DockerTarget(engine=bad)


def test_a_far_engine_that_lets_nobody_in_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh, tries, log = tmp_path / "ssh", tmp_path / "tries", tmp_path / "log"
    ssh.write_text(f"#!/bin/sh\necho . >> {tries}\necho Permission denied. >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with log.open("wb") as said:
        keeper = subprocess.Popen(keep_port("ssh://m", 7101), stdout=said, stderr=said)
    try:
        while not (tries.exists() and len(tries.read_text()) >= 6):
            assert keeper.poll() is None
            time.sleep(0.05)
    finally:
        keeper.kill()
        keeper.wait()
    assert log.read_text() == "Permission denied.\n"


def test_a_rollback_loads_nothing_that_it_does_not_need() -> None:
    needless = ["bentoml", "docker", "mlflow", "ci.images.engine", "ci.observe.write"]
    program = f"import sys, ci.release.operate; print([n for n in {needless} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n", "its callers wait for what is loaded first"
