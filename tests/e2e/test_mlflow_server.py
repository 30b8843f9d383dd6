"""The registry on a real MLflow server that two checkouts share, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.events.event import Lineage
from ci.events.log import own_log
from ci.events.tale import history
from ci.registry.change import Why, finish, promote, register, roll_back, stage
from ci.registry.store import client
from ci.registry.versions import registered
from ci.repository import Repository
from tests.support.services import free_port
from tests.support.storage import postgres

MODEL = "sales"
WHY = Why("a test", "alice")
PATIENCE_SECONDS = 180
DRIVER = "psycopg2-binary==2.9.13"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """An MLflow server that ``MLFLOW_TRACKING_URI`` names."""
    if request.param == "sqlite":
        with serving(f"sqlite:///{tmp_path}/server.db", tmp_path, None) as address:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            yield
        return
    driver = tmp_path / "driver"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(driver), DRIVER]
    subprocess.run(pip, check=True)
    with (
        postgres("mlflow") as found,
        serving(found.address("postgresql+psycopg2"), tmp_path, driver) as address,
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield


class serving:  # noqa: N801 (used as a verb)
    """`mlflow server` on ``backend`` while the block lasts; its address."""

    def __init__(self, backend: str, folder: Path, driver: Path | None) -> None:
        self._port, self._folder = free_port(), folder
        command = ["mlflow", "server", "--backend-store-uri", backend, "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--default-artifact-root", str(folder / "artifacts")]
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(driver or "")]))
        self._log = (folder / "server.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> str:
        address = f"http://127.0.0.1:{self._port}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310
            except OSError:
                said = (self._folder / "server.log").read_text()
                ended = self._process.poll() is not None
                assert not ended, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)
            else:
                return address

    def __exit__(self, *exception: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


def release(repository: Repository, mark: str) -> int:
    """What a deployment does to the registry."""
    finish(repository, MODEL)
    mlflow = client(repository)
    found = mlflow.get_experiment_by_name(MODEL)
    experiment = found.experiment_id if found else mlflow.create_experiment(MODEL)
    lineage = Lineage(
        version=0,
        run_id=mlflow.create_run(experiment).info.run_id,
        fingerprint=f"fingerprint-{mark}",
        bento=f"{MODEL}:{mark}",
        digest=f"digest-{mark}",
        approvers=["bob"],
        pull=3,
        data={"data/sales/tables/sales.csv": "0" * 32},
    )
    version = register(repository, MODEL, lineage, WHY).version
    stage(repository, MODEL, version, WHY)
    promote(repository, MODEL, version, WHY)
    return version


@pytest.mark.usefixtures("server")
def test_two_checkouts_share_a_server_and_each_tells_what_the_other_did(tmp_path: Path) -> None:
    one, two = (Repository(tmp_path / name) for name in ("one", "two"))
    assert release(one, "first") == 1
    assert release(two, "second") == 2
    assert release(two, "second") == 2
    finish(one, MODEL)
    roll_back(one, MODEL, 1, WHY, 0.1)

    found = registered(two)[MODEL]
    assert found.aliases == {"production": 1, "previous": 2, "staging": 2}
    assert [each.approvers for each in found.versions.values()] == [["bob"], ["bob"]]
    assert found.versions[2].data == {"data/sales/tables/sales.csv": "0" * 32}
    assert not (one.state_dir / "mlflow.db").exists()
    assert [(each.kind, each.version) for each in own_log(one).events()] == [
        ("registered", 1),
        ("staged", 1),
        ("promoted", 1),
        ("taken_over", 2),
        ("rolled_back", 1),
    ]
    assert [each.version for each in history(one, MODEL, None).periods] == [1, 2, 1]
