"""`mlops doctor`: the machine is broken in each way, and it says so."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ci.doctor import AREAS, examine, locks, machine
from ci.keys.keys import access_path
from ci.registry.store import client
from ci.repository import Repository
from ci.targets import processes
from ci.targets.services import Record, Service, write_record
from tests.support.command import mlops, result
from tests.support.repositories import new_repository, write_model

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "campaign")
    made.state_dir.mkdir()
    return made


def findings(repository: Repository, **env: str) -> dict[str, str | None]:
    """What the command finds: the problem, and what to type."""
    done = mlops(repository.root, "doctor", "--json", env=env)
    found: list[dict[str, Any]] = done.json["findings"]
    assert done.code == (1 if found else 0), done.stderr
    assert done.json["well"] == (not found)
    for each in found:
        assert "\n" not in each["sentence"]
        assert each["problem"] in each["sentence"]
    return {each["problem"]: each["type"] for each in found}


def test_a_new_repository_is_well(repository: Repository) -> None:
    assert findings(repository) == {}
    done = mlops(repository.root, "doctor")
    assert (done.code, done.stdout) == (0, f"All is well: {', '.join(AREAS)}.\n")


@pytest.mark.parametrize(
    ("language", "label", "program"), [("r", "R", "Rscript"), ("julia", "Julia", "julia")]
)
def test_a_language_that_a_model_needs(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    label: str,
    program: str,
) -> None:
    def found() -> list[tuple[str, str | None]]:
        return [(each.problem, each.type) for each in examine(repository)]

    before = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found() == []  # no model needs it yet
    write_model(repository, "another", language=language)
    problem = f"{label} is not installed ({program} is not on the PATH)"
    assert found() == [(problem, "make setup")]
    (tmp_path / program).write_text("#!/bin/sh\necho no such library >&2\nexit 3\n")
    (tmp_path / program).chmod(0o755)
    assert found() == [(f"{program} ends with 3 (no such library)", "make setup")]
    monkeypatch.setenv("PATH", before)
    assert found() == []


def test_a_package_that_r_lacks(repository: Repository) -> None:
    folder = write_model(repository, "another", language="r")
    (folder / "renv.lock").write_text(json.dumps({"Packages": {"nosuchpackage": {}}}))
    assert findings(repository) == {"R lacks the packages nosuchpackage": "make setup"}


def test_a_python_package_in_another_version(repository: Repository, tmp_path: Path) -> None:
    record = tmp_path / "packages" / "bentoml-0.9.2.dist-info" / "METADATA"
    record.parent.mkdir(parents=True)
    record.write_text("Metadata-Version: 2.1\nName: bentoml\nVersion: 0.9.2\n")
    path = os.pathsep.join([str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")])
    problem = "Python's packages are not those that are locked: bentoml (0.9.2)"
    assert findings(repository, PYTHONPATH=path) == {problem: "make setup"}


def test_a_disk_that_is_full(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 62)
    [found] = examine(repository)
    assert found.problem.endswith(" are free for .mlops")
    assert found.type == "du -sh .mlops/*"


def test_a_log_that_has_grown(repository: Repository) -> None:
    log = repository.state_dir / "logs" / "serve-campaign.log"
    log.parent.mkdir()
    log.touch()
    os.truncate(log, 2_100_000_000)
    [(problem, command)] = findings(repository).items()
    assert problem == ".mlops/logs/serve-campaign.log has 2.1 GB"
    subprocess.run(str(command), shell=True, cwd=repository.root, check=True)  # noqa: S602
    assert findings(repository) == {}


def test_a_database_that_is_damaged(repository: Repository) -> None:
    database = repository.state_dir / "mlflow.db"
    database.write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    [(problem, command)] = findings(repository).items()
    assert problem.startswith(".mlops/mlflow.db can't be read (")
    assert command == "less docs/runbooks/state-is-lost.md"
    database.write_bytes(b"")
    assert "no such table" in next(iter(findings(repository)))


def test_a_database_with_one_bad_page(repository: Repository) -> None:
    path = repository.state_dir / "mlflow.db"
    assert client(repository).search_registered_models() == []
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE filler (name TEXT)")
        database.executemany("INSERT INTO filler VALUES (?)", [("x" * 500,)] * 500)
        database.commit()
    assert findings(repository) == {}
    with path.open("r+b") as file:
        file.seek(-4096 * 3, 2)
        file.write(b"\xff" * 4096)
    [problem] = findings(repository)
    assert "Tree" in problem or "Page" in problem or "page" in problem


def test_a_database_that_mlflow_does_not_know(repository: Repository) -> None:
    with closing(sqlite3.connect(repository.state_dir / "mlflow.db")) as database:
        database.execute("CREATE TABLE registered_models (name TEXT)")
    [problem] = findings(repository)
    assert problem.startswith("The area declared can't be looked at (")


def test_a_registry_on_a_server_that_is_gone(repository: Repository) -> None:
    address = "http://127.0.0.1:9"
    [(problem, command)] = findings(repository, MLFLOW_TRACKING_URI=address).items()
    assert problem.startswith("The MLflow server of MLFLOW_TRACKING_URI does not answer")
    assert command == f"curl -i {address}/health"


@pytest.fixture
def holder(repository: Repository) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock of a training."""
    path = repository.state_dir / "locks" / "train-campaign.lock"
    path.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_command_that_was_halted(repository: Repository, holder: subprocess.Popen[str]) -> None:
    assert findings(repository) == {}
    holder.send_signal(signal.SIGSTOP)
    while not processes.is_stopped(holder.pid):
        time.sleep(0.01)
    problem = f"Process {holder.pid} holds the lock train-campaign and was stopped"
    assert findings(repository) == {problem: f"kill -CONT {holder.pid}"}
    holder.kill()
    holder.wait()
    assert findings(repository) == {}


def test_a_command_that_goes_on_for_hours(
    repository: Repository, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONG_SECONDS", -1.0)
    [found] = examine(repository)
    assert found.type == f"kill {holder.pid}"
    assert "began" in found.problem


def test_a_lock_of_dvc_that_was_cut_off(repository: Repository) -> None:
    path = repository.root / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir()
    path.write_text("{}")
    assert findings(repository) == {}
    path.write_text('{"write": ')
    problem = ".dvc/tmp/rwlock is damaged, so that DVC refuses all work"
    assert findings(repository) == {problem: "rm .dvc/tmp/rwlock"}


def test_a_deployment_that_was_cut_off(repository: Repository) -> None:
    begun = Service("campaign", 1, "campaign:1", "1", "http://127.0.0.1:1", 1, 1, "0", "2026")
    write_record(repository, Record("campaign", (begun,)))
    problem = "A deployment of campaign was cut off in the middle of a switch"
    assert findings(repository) == {problem: "mlops stop campaign"}
    result(repository.root, "stop", "campaign")
    assert findings(repository) == {}
    write_record(repository, Record("campaign", (begun,)))
    lock = repository.state_dir / "locks" / "deploy-campaign.lock"
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert findings(repository) == {}  # it is under way


def test_keys_that_end(repository: Repository) -> None:
    old = result(repository.root, "keys", "make", "platform", "--days", "5")["id"]
    problem = (
        f"The key {old} of platform for metrics expires in 4 days, and no other takes its place"
    )
    assert findings(repository) == {problem: f"mlops keys rotate {old}"}
    result(repository.root, "keys", "rotate", old)
    assert findings(repository) == {}
    stored = json.loads(access_path(repository).read_text())
    for key in stored["keys"].values():
        key["made"] -= 30 * 86_400
        key["expires"] = time.time() - 1
    access_path(repository).write_text(json.dumps(stored))
    [(problem, command)] = findings(repository).items()
    assert problem.endswith("has expired, and no other takes its place")
    assert command == "mlops keys make platform"
    access_path(repository).write_text("{")
    [problem] = findings(repository)
    assert problem.startswith(".mlops/access.json can't be read; ")


def test_a_broken_area_does_not_hide_the_others(repository: Repository) -> None:
    (repository.policies_dir / "deployment.yaml").write_text("locl: 1\n")
    access_path(repository).write_text("{")
    found = list(findings(repository))
    assert len(found) == 2
    assert "policies/deployment.yaml" in found[0]
