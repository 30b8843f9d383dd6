"""Whether a service that was started can serve: the end of each start."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.observe.recorded import own_id
from ci.targets import processes
from ci.targets.http import post, refusal, served

if TYPE_CHECKING:
    from pathlib import Path

    from ci.targets.services import Service

TAIL_LINES = 3
ASKED_FOR_SPEED = 10


def wait_until_ready(service: Service, log: Path, seconds: float) -> None:
    """Wait until ``service`` answers that it can serve.

    Raises:
        MlopsError: ``start_failed`` with the end of its ``log``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        problem = refusal(service.url)
        if problem == "":
            return _require_own(service, log)
        if problem:
            raise MlopsError("start_failed", _start_failed(service, log, f"can't serve: {problem}"))
        if not processes.is_running(service.pid, service.started):
            raise MlopsError("start_failed", _start_failed(service, log, "ended at its start"))
        time.sleep(0.1)
    reason = f"was not ready after {seconds:g} s"
    raise MlopsError("start_failed", _start_failed(service, log, reason))


def _require_own(service: Service, log: Path) -> None:
    """Make sure that it is this version that answers, and no other program on the port."""
    found = served(service.url)
    if found != (service.model, service.version):
        raise MlopsError(
            "start_failed",
            _start_failed(service, log, f"started, but {found or 'something else'} answers"),
        )


def _start_failed(service: Service, log: Path, reason: str) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = " | ".join(line.strip() for line in lines[-TAIL_LINES:])
    return (
        f"Version {service.version} of {service.model} {reason}; nothing was switched. "
        f"The end of {log}: {tail}"
    )


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
