"""The serving benchmark's verdicts and its load generator."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.benchmarks.serving.bounds import LEAST, OURS, Starts, bounds, table
from tests.benchmarks.serving.load import load, request_of, summary
from tests.benchmarks.serving.measured import Measured, Point, figures

SERVERS = (*OURS, "fastapi", "bare asgi", "plumber")
POINTS = {point for _, _, point, _ in LEAST} | {Point(1, 1), Point(1, 1000, "arrow")}
STARTS = {"one core": Starts([1.0], [3.0])}


def measured(tail: float = 2.0, **speeds: float) -> list[Measured]:
    """Three rounds in which ours is as fast as can be asked, but for ``speeds``."""
    usual = {"fastapi": 100.0, "bare asgi": 100.0, "plumber": 1.0}
    found = []
    for number in range(3):
        for server in SERVERS:
            for point in POINTS:
                speed = speeds.get(server.replace(" ", "_"), usual.get(server, 100.0))
                speed *= 5 if point.form == "arrow" else 1
                found.append(Measured(number, server, point, speed, 1.0, tail, 0.1, 0.0))
    return found


def missed(found: list[Measured], starts: dict[str, Starts] = STARTS) -> list[str]:
    return [bound.what for bound in bounds(found, starts) if bound.missed]


def test_what_holds_is_not_missed() -> None:
    assert missed(measured()) == []


def test_a_tenth_is_forgiven_and_more_is_not() -> None:
    assert missed(measured(fastapi=109.0)) == []
    assert len(missed(measured(fastapi=112.0))) == 3
    assert "plumber" in missed(measured(plumber=6.0))[0]


def test_a_slow_start_and_a_long_tail_are_missed() -> None:
    assert missed(measured(), {"all cores": Starts([2.0], [3.0])}) == [
        "cold start / a plain Bento's, all cores"
    ]
    slow = [
        m if m.server != "ours r" else replace(m, p99=9.0, cpu=0.1, failed=0.0) for m in measured()
    ]
    assert missed(slow) == ["ours r: p99 / p50, one connection"]


def test_a_busy_machine_judges_no_tail() -> None:
    judged = bounds(measured(tail=9.0), STARTS)
    assert not any(bound.missed for bound in judged)
    assert table(judged).count("not judged") == len(OURS)


def test_the_table_has_a_line_a_server_and_load() -> None:
    lines = figures(measured(), dict.fromkeys(SERVERS, 10.0)).splitlines()
    assert len(lines) == 1 + len(SERVERS) * len(POINTS)


@pytest.mark.parametrize(("status", "failed"), [(b"200 OK", False), (b"503 Busy", True)])
def test_the_load_generator_counts_answers_and_failures(status: bytes, failed: bool) -> None:
    request = request_of("/predict", "application/json", b"{}")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await reader.readexactly(len(request))
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n")
            await writer.drain()
            writer.write(b"ok")  # an answer may come in parts

    async def measure() -> dict[str, float]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return summary(await load(server.sockets[0].getsockname()[1], 3, 0.4, request))

    found = asyncio.run(measure())
    assert found["requests"] > 0
    assert (found["failed"] > 0) == failed
