"""A load generator: N connections, each sending the same request again as soon as it is answered.

`python -m tests.benchmarks.serving.load PORT CONNECTIONS SECONDS PATH TYPE < body` prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import uvloop

if TYPE_CHECKING:
    from asyncio import Transport

HOST = "127.0.0.1"
WARM_UP_SHARE = 0.25


@dataclass
class Tally:
    """Answers between ``begin`` and ``end`` (perf_counter seconds), and their latencies."""

    begin: float
    end: float
    seconds: list[float] = field(default_factory=list)
    failed: int = 0


class Connection(asyncio.Protocol):
    """Sends, waits for a whole answer, counts it and sends again until the time is over."""

    def __init__(self, request: bytes, tally: Tally, done: asyncio.Future[None]) -> None:
        self._request = request
        self._tally = tally
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("Transport", transport)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer once all of it is there."""
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or len(body) < _length(head):
            return
        self._buffer = b""
        now = time.perf_counter()
        # By its end alone: of what begins and ends in a second, a slow server has less to count.
        if self._tally.begin <= now <= self._tally.end:
            self._tally.seconds.append(now - self._sent)
            self._tally.failed += not head.startswith(b"HTTP/1.1 200")
        if now < self._tally.end:
            self._send()
        else:
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        """A server that hangs up has failed a request."""
        if not self._done.done():
            self._tally.failed += 1
        self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
        self._transport.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise ValueError(f"an answer without Content-Length: {head!r}")


async def load(port: int, connections: int, seconds: float, request: bytes) -> Tally:
    """Keep ``connections`` busy; the first quarter is not counted."""
    loop = asyncio.get_running_loop()
    now = time.perf_counter()
    tally = Tally(now + seconds * WARM_UP_SHARE, now + seconds)
    ends = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(partial(Connection, request, tally, end), HOST, port)
    await asyncio.wait_for(asyncio.gather(*ends), seconds + 30)
    return tally


def request_of(path: str, media_type: str, body: bytes) -> bytes:
    """The request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {media_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def summary(tally: Tally) -> dict[str, float]:
    """requests a second, p50 and p99 in milliseconds, and how many failed."""
    latencies = sorted(tally.seconds)
    if not latencies:
        return {"requests": 0.0, "p50": 0.0, "p99": 0.0, "failed": float(tally.failed)}
    return {
        "requests": len(latencies) / (tally.end - tally.begin),
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[int(len(latencies) * 0.99)] * 1000,
        "failed": float(tally.failed),
    }


def main() -> None:
    """Measure one server once."""
    port, connections, seconds, path, media_type = sys.argv[1:]
    request = request_of(path, media_type, sys.stdin.buffer.read())
    uvloop.install()
    tally = asyncio.run(load(int(port), int(connections), float(seconds), request))
    print(json.dumps(summary(tally)))


if __name__ == "__main__":
    main()
