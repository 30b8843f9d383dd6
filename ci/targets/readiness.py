"""Whether a service that was started can serve: the end of each start."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.observe.recorded import own_id
from ci.targets.http import post, refusal, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.targets.services import Service

TAIL_LINES = 3
ASKED_FOR_SPEED = 10


def wait_until_ready(
    service: Service,
    seconds: float,
    runs: Callable[[Service], bool],
    printed: Callable[[], str],
) -> None:
    """Wait until ``service`` answers that it can serve, for as long as it ``runs``.

    Raises:
        MlopsError: ``start_failed`` with what it ``printed`` last.
    """
    reason = _obstacle(service, seconds, runs)
    if reason:
        raise MlopsError(
            "start_failed",
            f"Version {service.version} of {service.model} {reason}; nothing was switched. "
            f"{printed()}",
        )


def end_of(log: Path) -> str:
    """The last lines of a log, in a sentence."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = text.splitlines()
    return f"The end of {log}: {' | '.join(line.strip() for line in lines[-TAIL_LINES:])}"


def _obstacle(service: Service, seconds: float, runs: Callable[[Service], bool]) -> str | None:
    """Why it can't serve, or None once it can: this version, and no other program on the port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        problem = refusal(service.url)
        if problem == "":
            found = served(service.url)
            own = found == (service.model, service.version)
            return None if own else f"started, but {found or 'something else'} answers"
        if problem:
            return f"can't serve: {problem}"
        if not runs(service):
            return "ended at its start"
        time.sleep(0.1)
    return f"was not ready after {seconds:g} s"


def probe(service: Service, example: dict[str, Any], key: str | None = None) -> None:
    """Ask for one prediction; a service that is ready but can't answer is not released.

    Raises:
        MlopsError: ``probe_failed``.
    """
    status, answer = post(service.url, {"rows": [example]}, key=key, request_id=own_id())
    if status != 200 or len(answer.get("predictions", [])) != 1:
        message = answer.get("error", {}).get("message", "no message")
        raise MlopsError(
            "probe_failed",
            f"Version {service.version} of {service.model} started but answered the contract's "
            f"example with {status}: {message}; nothing was switched.",
        )


def probe_speed(
    service: Service, example: dict[str, Any], seconds: float, key: str | None = None
) -> None:
    """Ask a few times, one after the other; half of the answers must come within ``seconds``.

    That is far below what the objective promises for 99 of 100: who misses this, misses that.

    Raises:
        MlopsError: ``too_slow`` or ``probe_failed``.
    """
    taken = []
    for _ in range(ASKED_FOR_SPEED):
        begin = time.monotonic()
        probe(service, example, key)
        taken.append(time.monotonic() - begin)
    median = statistics.median(taken)
    if median > seconds:
        raise MlopsError(
            "too_slow",
            f"Version {service.version} of {service.model} takes {median:.2g} s for the contract's "
            f"example, and objectives.p99_seconds in policies/deployment.yaml is {seconds:g}; "
            "nothing was switched.",
        )
