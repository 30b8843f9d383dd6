"""`mlops drift --watch`: the newest calls, an alert at once, and no second one for a while."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ci.contract.monitoring import Watch
from ci.monitor.watch import Watcher
from ci.observe.push import VARIABLE
from tests.unit.test_drift_live import Live, asked, live

__all__ = ["live"]
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def alertmanager(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What a server got that takes alerts as Alertmanager does."""
    taken: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{server.server_port}")
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


def test_calls_that_change_are_an_alert_once_and_again_after_the_cooldown(
    live: Live, alertmanager: list[Any]
) -> None:
    taken = alertmanager
    watcher = Watcher(live.repository, "small", Watch(rows=100))
    too_few = watcher.look(NOW)
    assert "has no rows of version 2" in too_few.said
    live.called(asked())
    assert not watcher.look(NOW).raised
    assert not watcher.file.exists()
    live.called(asked(7, price=100.0, day="2026-03-09"))
    raised = watcher.look(NOW)
    assert raised.raised
    assert raised.said.endswith("Alertmanager has it.")
    document = json.loads(watcher.file.read_text())
    assert {"price", "y"} <= set(document["columns"])
    [(path, [alert])] = taken
    assert path == "/api/v2/alerts"
    about = {"model": "small", "owner": "marketing"}
    assert alert["labels"] == {"alertname": "Drift", **about, "severity": "warning"}
    assert "mlops drift small --live" in alert["annotations"]["next"]
    assert alert["annotations"]["summary"] == document["headline"]
    started_again = Watcher(live.repository, "small", Watch(rows=100))
    soon = started_again.look(NOW + timedelta(hours=23))
    assert not soon.raised
    assert "raised before" in soon.said
    assert len(taken) == 1
    assert watcher.look(NOW + timedelta(hours=25)).raised
    assert len(taken) == 2


def test_an_alert_that_no_alertmanager_takes_is_still_written(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, NOBODY)
    live.called(asked(price=100.0))
    watcher = Watcher(live.repository, "small", Watch(rows=100))
    look = watcher.look(NOW)
    assert look.raised
    assert f"No Alertmanager took it at {NOBODY}" in look.said
    assert watcher.file.exists()
