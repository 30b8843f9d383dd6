"""Calls of the prediction log asked of a new version, before any caller reaches it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bentos.records import PREDICTIONS_FILE
from bentos.rows import problem_of
from ci.observe.recorded import is_own, newest, own_id
from ci.targets.http import post
from ci.targets.shift import differ, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bentos.bundle import Bundle
    from ci.contract.deployment import DeploymentPolicy
    from ci.targets.services import Service

    Entry = dict[str, Any]

# Fewer slow calls could be anybody's bad luck; of 100 calls one may be slow.
LEAST_SLOW = 3
SLOW_SHARE = 0.01
SHOWN = 300


@dataclass
class Shadowed:
    """What came of it: calls, rows, and how many were answered as they must not be.

    ``failed`` calls were refused, or answered with what the contract forbids; ``reason`` is what
    the first of them said. ``compared`` predictions stand in the log as version ``against`` made
    them, and ``differing`` of them are another now. ``note`` says why nothing was asked.
    """

    against: int | None
    calls: int = 0
    rows: int = 0
    failed: int = 0
    slow: int = 0
    slowest_seconds: float = 0.0
    compared: int = 0
    differing: int = 0
    reason: str | None = None
    example: str | None = None
    note: str | None = None
    problem: str | None = field(default=None)

    def said(self) -> str:
        """The same for people."""
        if self.note:
            return f"no shadow: {self.note}"
        parts = [
            f"shadow: of {self.calls:,} logged calls ({self.rows:,} rows) {self.failed:,} failed, "
            f"the slowest took {self.slowest_seconds:.2g} s"
        ]
        if self.compared:
            parts.append(
                f"{self.differing:,} of {self.compared:,} predictions differ from those of version "
                f"{self.against}" + (f", such as {self.example}" if self.example else "")
            )
        return "; ".join(parts)


def shadow(
    service: Service,
    bundle: Bundle,
    folder: Path,
    against: int | None,
    policy: DeploymentPolicy,
    key: str | None,
) -> Shadowed:
    """Ask ``service`` what the log in ``folder`` says callers asked; they learn nothing of it.

    ``against`` is the version that is live.
    """
    seen = Shadowed(against)
    seen.note, calls = _calls(bundle, folder, policy.shadow.rows)
    deadline = time.monotonic() + policy.shadow.seconds
    for call in calls:
        if time.monotonic() > deadline:
            break
        _ask(service, bundle, call, policy, key, seen)
    seen.problem = judge(seen, policy)
    return seen


def judge(seen: Shadowed, policy: DeploymentPolicy) -> str | None:
    """Why the version is refused, or None."""
    rules = policy.shadow
    if seen.failed > rules.failed * seen.calls:
        return f"{seen.failed} of {seen.calls} logged calls failed, the first with: {seen.reason}"
    if seen.slow >= LEAST_SLOW and seen.slow > SLOW_SHARE * seen.calls:
        limit = policy.objectives.p99_seconds
        return f"{seen.slow} of {seen.calls} logged calls took over {limit:g} s"
    if seen.differing > rules.differing * seen.compared:
        return (
            f"{seen.differing} of {seen.compared} predictions differ from those of version "
            f"{seen.against}, such as {seen.example}, and shadow.differing in "
            f"policies/deployment.yaml allows a share of {rules.differing:g}"
        )
    return None


def _calls(bundle: Bundle, folder: Path, rows: int) -> tuple[str | None, list[Entry]]:
    """The newest logged calls with at most ``rows`` rows, oldest first, or why there are none."""
    if not rows:
        return "shadow.rows in policies/deployment.yaml is 0", []
    hidden = [
        name
        for name, rules in bundle.inputs.items()
        if rules.get("pii") and not rules.get("nullable")
    ]
    if hidden:
        return f"the column {hidden[0]} is personal data, which no log has", []
    found: deque[Entry] = deque()
    for entry in _asked(folder):
        rows -= len(entry["predictions"])
        if rows < 0:
            break
        found.appendleft(entry)
    return (None, list(found)) if found else ("no call of this model is logged yet", [])


def _asked(folder: Path) -> Iterator[Entry]:
    for entry in newest(folder, PREDICTIONS_FILE):
        if not is_own(entry) and entry["predictions"]:
            yield entry


def _ask(
    service: Service,
    bundle: Bundle,
    call: Entry,
    policy: DeploymentPolicy,
    key: str | None,
    seen: Shadowed,
) -> None:
    logged = call["predictions"]
    rows = [
        {name: values[number] for name, values in call["inputs"].items()}
        for number in range(len(logged))
    ]
    began = time.monotonic()
    status, answer = post(service.url, {"rows": rows}, key=key, request_id=own_id())
    seconds = time.monotonic() - began
    seen.calls += 1
    seen.rows += len(rows)
    seen.slow += seconds > policy.objectives.p99_seconds
    seen.slowest_seconds = max(seen.slowest_seconds, seconds)
    problem = _problem(bundle, status, answer, len(rows))
    if problem:
        seen.failed += 1
        seen.reason = seen.reason or problem[:SHOWN]
    elif call["version"] == seen.against and not _has_pii(bundle.inputs):
        _compare(rows, logged, answer["predictions"], policy.tolerance, seen)


def _problem(bundle: Bundle, status: int, answer: Mapping[str, Any], rows: int) -> str | None:
    """What is wrong with an answer."""
    if status != 200:
        error = answer.get("error", {})
        first: Mapping[str, Any] = next(iter(error.get("rows") or []), {})
        named = f" ({first.get('column')}: {first.get('problem')})" if first else ""
        return f"{status} {error.get('message', 'no message')}{named}"
    predictions = answer.get("predictions", [])
    if len(predictions) != rows:
        return f"{len(predictions)} predictions for {rows} rows"
    rules = bundle.contract["output"]
    for prediction in predictions:
        for name, value in outputs(prediction).items():
            problem = problem_of(rules[name or next(iter(rules))], value)
            if problem:
                return f"the prediction {value!r} {problem}"
    return None


def _compare(
    rows: list[dict[str, Any]],
    logged: list[Any],
    found: list[Any],
    tolerance: float,
    seen: Shadowed,
) -> None:
    for row, before, now in zip(rows, logged, found, strict=True):
        seen.compared += 1
        if differ(before, now, tolerance):
            seen.differing += 1
            seen.example = seen.example or f"{now} instead of {before} for {row}"[:SHOWN]


def _has_pii(inputs: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the log leaves out what a prediction may follow from."""
    return any(rules.get("pii") for rules in inputs.values())
