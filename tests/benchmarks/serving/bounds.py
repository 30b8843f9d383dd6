"""What must be true of the figures, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.serving.lines import aligned
from tests.benchmarks.serving.measured import Measured, Point

if TYPE_CHECKING:
    from collections.abc import Iterable

SLACK = 1.1
JSON_ROWS, ARROW_ROWS = Point(1, 1000), Point(1, 1000, "arrow")
# One server, another, the load, and how many times the other's requests a second at least.
LEAST = [
    ("ours python", "fastapi", Point(1, 1), 1.0),
    ("ours python", "fastapi", Point(16, 1), 1.0),
    ("ours python", "fastapi", Point(64, 1), 1.0),
    ("ours r", "ours python", Point(1, 1), 0.8),
    ("ours r", "ours python", Point(16, 1), 0.8),
    ("ours r", "ours python", Point(64, 1), 0.5),
    ("ours r", "plumber", Point(1, 1), 20.0),
    ("ours r", "plumber", Point(16, 1), 4.0),
    ("ours julia", "ours python", Point(1, 1), 0.9),
    ("ours julia", "ours python", Point(16, 1), 0.9),
    ("ours julia", "ours python", Point(64, 1), 0.9),
    ("ours python", "bare asgi", JSON_ROWS, 0.6),
    ("ours r", "bare asgi", JSON_ROWS, 0.6),
    ("ours julia", "bare asgi", JSON_ROWS, 0.6),
]
OURS = ("ours python", "ours r", "ours julia")
ARROW_TIMES = 5.0
TAIL_TIMES = 3.0
START_SHARE = 0.5


@dataclass(frozen=True)
class Bound:
    """A figure, and what it must be: at least ``limit``, or at most."""

    what: str
    found: float
    limit: float
    at_least: bool
    quiet: bool = True
    """False where the machine was too busy to tell."""

    @property
    def missed(self) -> bool:
        """Whether it is missed by more than a tenth."""
        if not self.quiet:
            return False
        if self.at_least:
            return self.found < self.limit / SLACK
        return self.found > self.limit * SLACK


@dataclass(frozen=True)
class Starts:
    """Seconds that each start took, ours and a plain Bento's in turns."""

    ours: list[float]
    plain: list[float]

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return median(self.ours) / median(self.plain)


def bounds(found: list[Measured], starts: dict[str, Starts]) -> list[Bound]:
    """All bounds; ratios are medians of each round's own ratio."""
    judged = [
        Bound(f"{one} / {other}, {point}", _ratio(found, (one, point), (other, point)), least, True)
        for one, other, point, least in LEAST
    ]
    judged += [
        Bound(
            f"{server}: Arrow / JSON, 1,000 rows",
            _ratio(found, (server, ARROW_ROWS), (server, JSON_ROWS)),
            ARROW_TIMES,
            True,
        )
        for server in OURS
    ]
    quiet = _tail(found, "bare asgi") <= TAIL_TIMES
    judged += [
        Bound(
            f"{server}: p99 / p50, one connection", _tail(found, server), TAIL_TIMES, False, quiet
        )
        for server in OURS
    ]
    return judged + [
        Bound(f"cold start / a plain Bento's, {budget}", each.ratio, START_SHARE, False)
        for budget, each in starts.items()
    ]


def _ratio(found: Iterable[Measured], one: tuple[str, Point], other: tuple[str, Point]) -> float:
    requests = {(m.round, m.server, m.point): m.requests for m in found}
    rounds = {number for number, _, _ in requests}
    return median(requests[number, *one] / requests[number, *other] for number in rounds)


def _tail(found: Iterable[Measured], server: str) -> float:
    return median(m.p99 / m.p50 for m in found if (m.server, m.point) == (server, Point(1, 1)))


def table(judged: list[Bound]) -> str:
    """A line a bound."""
    lines = [("bound", "found", "must be", "")]
    for bound in judged:
        limit = f"at {'least' if bound.at_least else 'most'} {bound.limit:g}"
        lines.append((bound.what, f"{bound.found:.2f}", limit, _verdict(bound)))
    return aligned(lines)


def _verdict(bound: Bound) -> str:
    if not bound.quiet:
        return "not judged: the bare handler's tail says that the machine is busy"
    return "MISSED" if bound.missed else ""
