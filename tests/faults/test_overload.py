"""More callers than `serving.max_concurrent`: some are asked to come again, all others answered."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.support import services
from tests.support.load import Load
from tests.support.services import Running

MOST, CALLERS = 3, 16
ROW = {"x": 3.0, "n": 1}
HALF = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Content-Length: 50\r\n\r\n{"rows":'
)
WAIT_SECONDS = 20.0


@pytest.fixture(scope="module", params=["python", "r"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    root = tmp_path_factory.mktemp(request.param)
    rules = services.contract(request.param, max_concurrent=MOST, timeout_seconds=20)
    running = services.serve(services.build_tiny(root, request.param, rules=rules), root / "run")
    assert running.wait_until_answered().status_code == 200
    yield running
    running.stop()


def refused(answer: httpx.Response) -> bool:
    """Whether a caller was told to come again; what is not documented is an error."""
    if answer.status_code == 200:
        assert answer.json()["predictions"] == [7.0]
        return False
    assert answer.json()["error"]["code"] == "overloaded"
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    return True


def test_as_many_as_may_are_answered_and_the_others_told_so(service: Running) -> None:
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(service.predict, {**ROW, "mode": "slow"}) for _ in range(CALLERS)]
        answers = [call.result() for call in calls]
    assert Counter(map(refused, answers)) == {False: MOST, True: CALLERS - MOST}
    assert not refused(service.predict(ROW))
    assert 'code="overloaded"' in service.client.get("/metrics").text


def test_under_load_nobody_gets_another_answer(service: Running) -> None:
    with Load(service.port) as load:
        time.sleep(2)
    seen = Counter(outcome for _, outcome in load.outcomes)
    assert set(seen) == {"ok", "503"}, seen
    assert not refused(service.predict(ROW))


def test_half_a_request_counts_until_its_caller_goes(service: Running) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    address = ("127.0.0.1", service.port)
    with ExitStack() as stack:
        while not refused(service.predict(ROW)):
            assert time.monotonic() < deadline
            stack.enter_context(socket.create_connection(address)).sendall(HALF)
        assert service.client.get("/readyz").status_code == 200
    while refused(service.predict(ROW)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_is_documented(service: Running) -> None:
    predict = service.client.get("/docs.json").json()["paths"]["/predict"]["post"]
    assert f"At most {MOST} calls at a time" in predict["description"]
    unavailable = predict["responses"]["503"]
    assert "overloaded" in unavailable["content"]["application/json"]["examples"]
    assert "Retry-After" in unavailable["headers"]
