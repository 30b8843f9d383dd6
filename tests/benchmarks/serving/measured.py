"""What was measured of one server, and the table of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.serving.lines import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADINGS = ("server", "load", "requests/s", "rows/s", "p50 ms", "p99 ms", "CPU ms", "failed", "MiB")


class Point(NamedTuple):
    """A load: connections at once, rows a request, and how they are sent."""

    connections: int
    rows: int
    form: str = "json"

    def __str__(self) -> str:
        """As the tables name it."""
        form = "" if self.form == "json" else f" {self.form}"
        return f"{self.connections} at once, {self.rows:,} row{'s'[: self.rows > 1]}{form}"


@dataclass(frozen=True)
class Measured:
    """One server under one load: p50 and p99 in milliseconds, ``cpu`` of all its processes."""

    round: int
    server: str
    point: Point
    requests: float
    p50: float
    p99: float
    cpu: float
    failed: float


def middle(found: Iterable[Measured], server: str, point: Point, what: str) -> float:
    """The median over the rounds of one figure of a server."""
    return float(median(getattr(m, what) for m in found if (m.server, m.point) == (server, point)))


def figures(found: list[Measured], memory: dict[str, float]) -> str:
    """Medians over the rounds, a line a server and load."""
    lines = [HEADINGS]
    for point in dict.fromkeys(m.point for m in found):
        for server in dict.fromkeys(m.server for m in found if m.point == point):
            each = {w: middle(found, server, point, w) for w in ("requests", "p50", "p99", "cpu")}
            failed = sum(m.failed for m in found if (m.server, m.point) == (server, point))
            lines.append(
                (
                    server,
                    str(point),
                    f"{each['requests']:,.0f}",
                    f"{each['requests'] * point.rows:,.0f}",
                    f"{each['p50']:.2f}",
                    f"{each['p99']:.2f}",
                    f"{each['cpu']:.3f}",
                    f"{failed:.0f}",
                    f"{memory[server]:.0f}",
                )
            )
    return aligned(lines)
