"""A model that breaks, seen by Debian's own Prometheus and told by its Alertmanager."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from ci.observe.write import ALERTMANAGER
from ci.repository import Repository
from tests.support import services
from tests.support.alertmanager import Told, alertmanager, wait_for
from tests.support.programs import bring_programs
from tests.support.repositories import new_repository, write_dataset, write_model

MODEL = "tiny-python"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, MODEL, owner="procurement")
    return made


@pytest.fixture
def told(repository: Repository, tmp_path: Path) -> Iterator[Told]:
    """Alertmanager, with the file that `mlops observe` writes."""
    with alertmanager(repository, tmp_path / "secrets") as told:
        yield told


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[services.Running]:
    """A model that answers, until it is asked with `die` or `raise`."""
    service = services.serve(services.build_tiny(tmp_path / "bento", "python"), tmp_path / "served")
    service.wait_until_answered()
    yield service
    service.stop()


@pytest.fixture
def watched(
    broken: services.Running, told: Told, repository: Repository
) -> Iterator[services.Running]:
    """The broken model, with Prometheus beside it as `mlops observe` sets it up."""
    bring_programs({"prometheus": "prometheus"})
    folder, port = repository.state_dir / "observe", services.free_port()
    written = (folder / "prometheus.yaml").read_text()
    assert ALERTMANAGER in written
    configuration = yaml.safe_load(written.replace(ALERTMANAGER, urlsplit(told.url).netloc))
    configuration["scrape_configs"][0]["static_configs"] = [
        {"targets": [f"127.0.0.1:{broken.port}"], "labels": {"model": MODEL}}
    ]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    command = [
        *("prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=prometheus"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*services.DIES_WITH_US, *command], cwd=folder, stdout=log, stderr=log
        )
    wait_for("a scrape", lambda: _scraped(port))
    yield broken
    process.terminate()
    process.wait(60)


def _scraped(port: int) -> bool | None:
    query = {"query": "mlops_worker_restarts_total"}
    try:
        found = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params=query)
        return bool(found.json()["data"]["result"]) or None
    except (httpx.TransportError, ValueError, KeyError):
        return None


@pytest.mark.long
def test_the_people_on_duty_are_told_of_a_model_that_dies_fails_and_is_gone(
    watched: services.Running, told: Told
) -> None:
    assert watched.predict({"x": 1.0}).status_code == 200
    assert told.hooks == []
    stop = threading.Event()
    caller = threading.Thread(target=_call_until, args=(watched, stop))
    caller.start()
    try:
        incidents = [told.pagerduty(name, MODEL) for name in ("ModelRestarts", "ModelErrors")]
    finally:
        stop.set()
        caller.join()
    watched.stop()
    for incident in [*incidents, told.pagerduty("ModelDown", MODEL)]:
        details = incident["payload"]["custom_details"]
        assert details["owner"] == "procurement"
        assert "On its host, type: mlops " in details["text"]
        assert "(docs/runbooks/" in details["text"]
    assert "Owner: procurement." in told.slack("ModelErrors")["text"]
    assert told.mail("ModelDown", MODEL)


def _call_until(service: services.Running, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        for mode in ("die", "raise", "ok"):
            service.predict({"x": 1.0, "mode": mode})
