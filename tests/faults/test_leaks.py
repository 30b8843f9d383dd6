"""After many requests, good and bad, a service holds what it held before them."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pytest

from bentos.tables import ARROW_STREAM
from tests.support import services
from tests.support.services import Running

CALLERS = 16
WARM_UP = 2000
# A new connection after so many requests; the old one is left open every other time.
OF_ONE_CONNECTION = 50
# Allocators keep what they freed: the same for few requests and for many.
SLACK_BYTES = 12 << 20
JSON = "application/json"


def rows(count: int, **changes: object) -> bytes:
    """A body of ``count`` rows."""
    row = {"x": 1.5, "n": 2, "mode": "ok"} | changes
    return json.dumps({"rows": [row] * count}).encode()


def arrow(count: int) -> bytes:
    """The same rows as an Arrow stream."""
    table = pa.table({"x": [1.5] * count, "n": [2] * count, "mode": ["ok"] * count})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


# Method, path, media type, body, and the status of its answer.
REQUESTS = [
    *[("POST", "/predict", JSON, rows(1), 200)] * 8,
    ("POST", "/predict", JSON, rows(50), 200),
    ("POST", "/predict", ARROW_STREAM, arrow(50), 200),
    ("POST", "/predict", ARROW_STREAM, arrow(50)[:-50], 400),
    ("POST", "/predict", JSON, rows(5, x=1000), 422),
    ("POST", "/predict", JSON, b"{", 400),
    ("POST", "/predict", JSON, rows(1, mode="raise"), 500),
    ("POST", "/predict", "text/plain", b"?", 415),
    ("GET", "/metrics", JSON, b"", 200),
    ("GET", "/nowhere", JSON, b"", 404),
]


@dataclass(frozen=True)
class Held:
    """What the processes of a service hold."""

    processes: set[int]
    descriptors: dict[int, int]
    threads: dict[int, int]
    folders: set[str]
    memory: dict[int, int]


@pytest.fixture(scope="module", params=["python", "r", "julia"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    root = tmp_path_factory.mktemp(f"leaks-{request.param}")
    (root / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(root / "tmp"))
        running = services.serve(services.build_tiny(root, request.param), root / "run")
    assert running.wait_until_answered().status_code == 200
    ask(running, WARM_UP)
    yield running
    running.stop()
    assert list((root / "tmp").iterdir()) == []


def ask(service: Running, count: int) -> None:
    """``count`` requests of all kinds by callers side by side, each with its right answer."""
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = callers.map(call, [service] * CALLERS, [count // CALLERS] * CALLERS)
        assert set(chain.from_iterable(answers)) == set()


def call(service: Running, count: int) -> set[tuple[str, int]]:
    """The requests of one caller; returns the wrong answers."""
    wrong = set()
    for first in range(0, count, OF_ONE_CONNECTION):
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        with closing(connection):
            for number in range(first, min(first + OF_ONE_CONNECTION, count)):
                method, path, kind, body, status = REQUESTS[number % len(REQUESTS)]
                connection.request(method, path, body, {"Content-Type": kind})
                answer = connection.getresponse()
                answer.read()
                if answer.status != status:
                    wrong.add((f"{method} {path} {kind} {body[:60]!r}", answer.status))
    return wrong


def held(service: Running) -> Held:
    """What is held now that nobody asks."""
    service.client.close()
    time.sleep(1)  # the records are written, the connections closed
    family = service.family()
    temporary = service.log.parents[1] / "tmp"
    return Held(
        {each.pid for each in family},
        {each.pid: each.num_fds() for each in family},
        {each.pid: each.num_threads() for each in family},
        {str(path.relative_to(temporary)) for path in temporary.rglob("*")},
        {each.pid: each.memory_info().rss for each in family},
    )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_many_requests_leave_nothing(service: Running, count: int) -> None:
    ask(service, count // 10)  # heaps take what they need in so much work: Julia's grows by 17 MiB
    before = held(service)
    ask(service, count)
    after = held(service)
    assert after.processes == before.processes
    assert after.descriptors == before.descriptors
    assert after.threads == before.threads
    assert after.folders == before.folders
    grown = {pid: after.memory[pid] - before.memory[pid] for pid in before.memory}
    print(*(f"{each.name()}: {grown[each.pid] / 2**20:.1f} MiB more" for each in service.family()))
    assert max(grown.values()) < SLACK_BYTES, grown
