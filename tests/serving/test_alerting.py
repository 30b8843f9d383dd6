"""A model that breaks, seen by Debian's own Prometheus and told by its Alertmanager."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ci.observe.write import ALERTMANAGER
from ci.setup import apt
from tests.support import services
from tests.support.command import result
from tests.support.repositories import new_repository

PACKAGES = ["prometheus", "prometheus-alertmanager"]
LONGEST_SECONDS = 300


class Inbox:
    """A webhook, as the people on duty would have one; holds the alerts that came."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.alerts += json.loads(body)["alerts"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, name: str, status: str) -> dict[str, Any]:
        """The alert of this name."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline:
            for alert in self.alerts:
                if (alert["labels"]["alertname"], alert["status"]) == (name, status):
                    return alert
            time.sleep(0.2)
        raise AssertionError(f"{name} never came; these did: {self.alerts}")


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.server.shutdown()
    inbox.server.server_close()


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    if not all(shutil.which(each) for each in PACKAGES):
        apt.install(PACKAGES, otherwise="Prometheus or its Alertmanager is missing.")


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[services.Running]:
    """A model that answers, until it is asked with `die` or `raise`."""
    service = services.serve(services.build_tiny(tmp_path / "bento", "python"), tmp_path / "served")
    service.wait_until_answered()
    yield service
    service.stop()


def start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / f"{program}.log").open("wb") as log:
        return subprocess.Popen(
            [*services.DIES_WITH_US, program, *arguments], cwd=folder, stdout=log, stderr=log
        )


@pytest.fixture
def watched(broken: services.Running, inbox: Inbox, tmp_path: Path) -> Iterator[services.Running]:
    """The broken model, with Prometheus beside it as `mlops observe` sets it up."""
    repository = new_repository(tmp_path / "repository")
    folder = repository.root / Path(result(repository.root, "observe")["paths"][0]).parent
    alertmanager, prometheus = services.free_port(), services.free_port()
    written = (folder / "prometheus.yaml").read_text()
    assert ALERTMANAGER in written
    configuration = yaml.safe_load(written.replace(ALERTMANAGER, f"127.0.0.1:{alertmanager}"))
    configuration["scrape_configs"][0]["static_configs"] = [
        {"targets": [f"127.0.0.1:{broken.port}"], "labels": {"model": "tiny-python"}}
    ]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    (folder / "alertmanager.yaml").write_text(
        yaml.safe_dump(
            {
                "route": {"receiver": "duty", "group_wait": "1s", "group_interval": "1s"},
                "receivers": [
                    {
                        "name": "duty",
                        "webhook_configs": [
                            {"url": f"http://127.0.0.1:{inbox.server.server_port}"}
                        ],
                    }
                ],
            }
        )
    )
    processes = [
        start(
            folder,
            "prometheus-alertmanager",
            "--config.file=alertmanager.yaml",
            "--storage.path=alertmanager",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
        ),
        start(
            folder,
            "prometheus",
            "--config.file=prometheus.yaml",
            "--storage.tsdb.path=prometheus",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ),
    ]
    _wait_for_a_scrape(prometheus)
    yield broken
    for process in processes:
        process.terminate()
        process.wait(60)


def _wait_for_a_scrape(port: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    query = "mlops_worker_restarts_total"
    while time.monotonic() < deadline:
        try:
            found = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query})
            if found.json()["data"]["result"]:
                return
        except (httpx.TransportError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    raise AssertionError("Prometheus never read the metrics")


@pytest.mark.long
def test_the_people_on_duty_are_told_of_a_model_that_dies_and_of_one_that_fails(
    watched: services.Running, inbox: Inbox
) -> None:
    assert watched.predict({"x": 1.0}).status_code == 200
    assert inbox.alerts == []
    stop = threading.Event()
    caller = threading.Thread(target=_call_until, args=(watched, stop))
    caller.start()
    try:
        died = inbox.wait_for("ModelRestarts", "firing")
        failed = inbox.wait_for("ModelErrors", "firing")
    finally:
        stop.set()
        caller.join()
    for alert in (died, failed):
        assert alert["labels"]["model"] == "tiny-python"
        assert "tiny-python" in alert["annotations"]["summary"]
        assert alert["annotations"]["runbook_url"].startswith("docs/runbooks/")


def _call_until(service: services.Running, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        for mode in ("die", "raise", "ok"):
            service.predict({"x": 1.0, "mode": mode})
