"""Connections on which no request ever is whole cost a service neither memory nor a place."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bentos.connections import HEAD_BYTES, HEAD_SECONDS, LOOK_SECONDS, WholeAnswers
from tests.support import services
from tests.support.services import Running

ROW = {"x": 3.0, "n": 1, "mode": "ok"}
HEAD = b"GET /readyz HTTP/1.1\r\nHost: x\r\n"
MANY = 200
CLOSED_AFTER = HEAD_SECONDS + 2 * LOOK_SECONDS + 10


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("connections")
    running = services.serve(services.build_tiny(root, "python"), root / "run")
    assert running.wait_until_answered().status_code == 200
    yield running
    running.stop()


def connected(service: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=CLOSED_AFTER)


def answer(service: Running, *sent: bytes) -> bytes:
    """What comes back until the service closes the connection or has nothing more to say."""
    with connected(service) as caller:
        with contextlib.suppress(ConnectionError):
            for part in sent:
                caller.sendall(part)
        caller.settimeout(5)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while data := caller.recv(65536):
                received += data
        return received


def test_who_sends_nothing_or_half_a_head_loses_the_connection(service: Running) -> None:
    held = service.api().num_fds()
    began = time.monotonic()
    with ExitStack() as stack:
        callers = [stack.enter_context(connected(service)) for _ in range(MANY)]
        for caller in callers[::2]:
            caller.sendall(HEAD + b"X-Half: ")
        used = stack.enter_context(connected(service))
        used.sendall(HEAD + b"\r\n")
        received = b""
        while not received.endswith(b"}"):
            received += used.recv(65536)
        used.sendall(HEAD)  # the second request's head never ends
        assert service.predict(ROW).json()["predictions"] == [7.0]
        assert service.api().num_fds() >= held + MANY
        for caller in [*callers, used]:
            with contextlib.suppress(ConnectionError):
                assert caller.recv(1) == b""
    assert time.monotonic() - began > HEAD_SECONDS
    assert service.api().num_fds() <= held + 3
    assert service.predict(ROW).json()["predictions"] == [7.0]


def test_a_head_that_comes_slowly_is_waited_for(service: Running) -> None:
    whole = HEAD + b"\r\n"
    with connected(service) as caller:
        for part in (whole[:10], whole[10:20], whole[20:]):
            caller.sendall(part)
            time.sleep(LOOK_SECONDS * 0.8)
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_call_may_take_longer_than_a_head(service: Running) -> None:
    with ExitStack() as stack:
        body = b'{"rows": [{"x": 1.0, "mode": "ok"}]}'
        caller = stack.enter_context(connected(service))
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        caller.sendall(head + body[:-1])
        time.sleep(LOOK_SECONDS * 1.5)
        caller.sendall(body[-1:])
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_head_without_end_is_cut(service: Running) -> None:
    before = service.api().memory_info().rss
    sent = [HEAD + b"X-Long: ", *[b"a" * 65536] * 1000]
    assert answer(service, *sent)[:12] in {b"", b"HTTP/1.1 400"}
    assert service.api().memory_info().rss < before + (16 << 20)
    assert service.predict(ROW).json()["predictions"] == [7.0]


def test_a_large_head_that_fits_is_taken(service: Running) -> None:
    fits = HEAD + b"X-Long: " + b"a" * (HEAD_BYTES // 2)
    assert answer(service, fits, b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_requests_that_come_together_are_answered_in_turn(service: Running) -> None:
    body = b'{"rows": [{"x": %d.0, "n": 0, "mode": "ok"}]}'
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    requests = [head % len(body % x) + body % x for x in range(4)]
    found = answer(service, b"".join(requests) + HEAD + b"\r\n")
    places = [found.index(b'{"predictions":[%d.0]' % (2 * x)) for x in range(4)]
    assert places == sorted(places)
    assert found.rstrip().endswith(b'{"ready":true,"workers":1}')


def test_an_answer_is_one_write() -> None:
    """A process that is killed between two would leave a caller with half an answer."""
    seen = Seen()
    answers = WholeAnswers(seen)  # type: ignore[arg-type]
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
    answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    answers.write(head)
    answers.write(b"one")
    answers.write(b"two")
    answers.write(head)
    answers.flush()
    answers.flush()
    answers.write(head)
    answers.close()
    wanted = [b"HTTP/1.1 100 Continue\r\n\r\n", head + b"one", b"two", head, head, b"closed"]
    assert seen.writes == wanted


class Seen:
    """A transport that notes each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """One buffer."""
        self.writes.append(data)

    def writelines(self, data: tuple[bytes, ...]) -> None:
        """Several at once."""
        self.writes.append(b"".join(data))

    def close(self) -> None:
        """No more."""
        self.writes.append(b"closed")


def test_answers_without_a_body_and_those_that_close_come_at_once(service: Running) -> None:
    with connected(service) as caller:
        caller.sendall(b"HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert caller.recv(65536).endswith(b"\r\n\r\n")
        body = json.dumps({"rows": [ROW]}).encode()
        ask = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        ask += b"Content-Length: %d\r\n" % len(body)
        caller.sendall(ask + b"Expect: 100-continue\r\n\r\n")
        assert caller.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(body + ask + b"\r\n" + body + ask + b"Connection: close\r\n\r\n" + body)
        received = b""
        while data := caller.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200 OK\r\n") == received.count(b"}") == 3
