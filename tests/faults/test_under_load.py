"""Sixteen callers ask without a pause while things break: who is answered what, and until when."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support import services
from tests.support.services import Running

CALLERS = 16
WORKERS = 2
CALM_SECONDS = 0.5
REPAIR_SECONDS = 60.0
COLUMNS = ("language", "fault", "answered", "failed", "codes", "right again after")


@dataclass
class Load:
    """Callers that each send a row of their own and check the answer to it."""

    service: Running
    outcomes: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(i,)) for i in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, number: int) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                while not self._stop.is_set():
                    self._note(self._ask(connection, number))

    def _ask(self, connection: http.client.HTTPConnection, number: int) -> str:
        body = json.dumps({"rows": [{"x": float(number), "n": 1, "mode": "ok"}]})
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self._note("connection")
            raise ConnectionError from None
        if answer.status == 503 and not answer.headers["Retry-After"]:
            return "503 without Retry-After"
        if answer.status != 200:
            return str(answer.status)
        return "ok" if json.loads(text)["predictions"] == [2.0 * number + 1] else "wrong"

    def _note(self, outcome: str) -> None:
        self.outcomes.append((time.monotonic(), outcome))


@pytest.fixture(scope="module", params=["python", "r", "julia"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    root = tmp_path_factory.mktemp(request.param)
    rules = services.contract(request.param, workers=WORKERS, timeout_seconds=20)
    running = services.serve(services.build_tiny(root, request.param, rules=rules), root / "run")
    assert running.wait_until_answered().status_code == 200
    yield running
    running.stop()


def bad_row(mode: str) -> Callable[[Running], None]:
    return lambda service: service.predict({"x": 1.0, "mode": mode}).read() and None


def kill_worker(service: Running) -> None:
    service.workers()[0].kill()


def stop_worker(service: Running) -> None:
    service.workers()[0].send_signal(signal.SIGSTOP)


def kill_api(service: Running) -> None:
    service.api().kill()


def send_slowly(service: Running) -> None:
    """A byte now and then, for half a second, and then nothing more."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        for byte in (head + b"Content-Length: 99\r\n\r\n{")[:50]:
            slow.send(bytes([byte]))
            time.sleep(0.01)


def send_too_much(service: Running) -> None:
    """A gigabyte is announced, and sent until the service hangs up."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as large:
        large.sendall(head + b"Content-Length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                large.sendall(b" " * 1_000_000)


def send_nonsense(service: Running) -> None:
    given = {"content-type": "application/json"}
    for body in (
        b"[" * 100_000,
        b'{"rows": [{"x": "\xff"}]}',
        b'{"rows": [{"x": {}}]}',
        b"\0" * 999,
    ):
        assert 400 <= service.client.post("/predict", content=body, headers=given).status_code < 500


# The fault, and which answers a caller with good rows may get beside the right one.
FAULTS: dict[str, tuple[Callable[[Running], None], set[str]]] = {
    "worker killed": (kill_worker, {"503"}),
    "worker stopped": (stop_worker, {"503"}),
    "model raises": (bad_row("raise"), set()),
    "model returns NaN": (bad_row("nan"), set()),
    "model returns too few": (bad_row("short"), set()),
    "model ends its process": (bad_row("die"), {"503"}),
    "model hangs": (bad_row("hang"), {"503"}),
    "client sends slowly": (send_slowly, set()),
    "client sends 1 GB": (send_too_much, set()),
    "client sends nonsense": (send_nonsense, set()),
    "API process killed": (kill_api, {"503", "connection"}),
}


@pytest.fixture(scope="module")
def rows() -> Iterator[list[tuple[str, ...]]]:
    """The table, printed when all faults have been tried."""
    table: list[tuple[str, ...]] = []
    yield table
    widths = [max(map(len, column)) for column in zip(COLUMNS, *table, strict=True)]
    for line in (COLUMNS, *table):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


@pytest.mark.parametrize("fault", list(FAULTS))
def test_callers_are_answered_while_things_break(
    service: Running, fault: str, rows: list[tuple[str, ...]]
) -> None:
    break_it, allowed = FAULTS[fault]
    with Load(service) as load:
        time.sleep(CALM_SECONDS)
        began = time.monotonic()
        break_it(service)
        repaired = wait_until_right(service, load)
    failed = Counter(outcome for _, outcome in load.outcomes if outcome != "ok")
    last = max((when for when, outcome in load.outcomes if outcome != "ok"), default=began)
    answered = str(len(load.outcomes) - failed.total())
    codes = ", ".join(failed)
    until = f"{max(last - began, 0):.2f} s"
    rows.append(
        (service.log.parent.parent.name, fault, answered, str(failed.total()), codes, until)
    )
    assert repaired, service.log.read_text()[-2000:]
    assert set(failed) <= allowed
    assert failed.total() <= 2 * CALLERS, "only what was under way may fail"


def wait_until_right(service: Running, load: Load) -> bool:
    """Whether all workers live again and callers are answered, within a time."""
    deadline = time.monotonic() + REPAIR_SECONDS
    while time.monotonic() < deadline:
        before = len(load.outcomes)
        time.sleep(CALM_SECONDS)
        with contextlib.suppress(psutil.Error, IndexError):
            living = [
                each for each in service.workers() if each.status() not in {"stopped", "zombie"}
            ]
            recent = {outcome for _, outcome in load.outcomes[before:]}
            if len(living) == WORKERS and recent == {"ok"}:
                return True
    return False


def test_nothing_is_left_of_all_this(service: Running) -> None:
    """After the faults above: the same processes, files and folders as after a fresh start."""
    api = service.api()
    assert len(service.family()) == 2 + WORKERS
    time.sleep(6)  # connections that callers left are closed after five seconds
    assert api.num_fds() < 60
    folders = list(Path(tempfile.gettempdir()).glob("mlops-workers-*"))
    own = [each for each in folders if owner_of(each) == api.pid]
    assert len(own) == 1
    assert len(os.listdir(own[0])) == WORKERS


def owner_of(folder: Path) -> int | None:
    """The process that has the folder open, which is how a service holds its lock."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            for fd in Path(f"/proc/{process.pid}/fd").iterdir():
                if os.readlink(fd) == str(folder):
                    return process.pid
    return None
