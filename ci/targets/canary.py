"""A share of the callers reaches a new version first, and is watched.

Does it fail or slow down, or predict something else than the version that is live?
"""

from __future__ import annotations

import re
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentos.records import PREDICTIONS_FILE
from ci.observe.recorded import Tail, is_own, parsed
from ci.targets.http import ANSWER_SECONDS, is_ready
from ci.targets.launch import records_dir
from ci.targets.shift import Predicted, shift
from ci.targets.target import bring_records, home

if TYPE_CHECKING:
    from ci.contract.deployment import DeploymentPolicy, Objectives
    from ci.repository import Repository
    from ci.targets.services import Service

LOOK_SECONDS = 1.0
# Fewer could be anybody's bad luck.
LEAST = 3
LEAST_COMPARED = 20
SLOW_SHARE = 0.01  # p99: one call in a hundred may take longer
TIMES = 2.0
LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """Calls of POST /predict, those answered with 5xx, and those slower than the objective."""

    calls: int = 0
    errors: int = 0
    slow: int = 0

    def since(self, before: Seen) -> Seen:
        """What came after ``before``; a process that began again counts from its beginning."""
        if self.calls < before.calls:
            return self
        return Seen(self.calls - before.calls, self.errors - before.errors, self.slow - before.slow)


@dataclass(frozen=True)
class Watched:
    """What was seen of a canary and of the version that is live, and what is ``problem`` with it.

    ``shift`` is how far the predictions lie apart, beyond chance; None where too few are known.
    """

    problem: str | None = None
    canary: Seen = Seen()
    live: Seen = Seen()
    shift: float | None = None


def watch(
    canary: Service, live: Service, policy: DeploymentPolicy, records: Records, key: str | None
) -> Watched:
    """Look at both for as long as the policy says, or until something is wrong with the canary."""
    rules, objectives = policy.canary, policy.objectives
    assert rules  # noqa: S101 (nobody is a canary otherwise)
    counts = [Counts(each, objectives, key) for each in (canary, live)]
    deadline = time.monotonic() + rules.seconds
    while True:
        time.sleep(min(LOOK_SECONDS, max(deadline - time.monotonic(), 0)))
        over = time.monotonic() >= deadline
        if not home(canary).runs(canary) or not is_ready(canary.url):
            return Watched("it no longer answers")
        new, old = (each.look() for each in counts)
        moved = records.shift(policy.tolerance)
        problem = judge(new, old, objectives) or _moved(moved, rules.shift)
        if problem or over:
            return Watched(problem, new, old, moved)


class Counts:
    """What a service has counted since we first looked."""

    def __init__(self, service: Service, objectives: Objectives, key: str | None) -> None:
        self._service, self._objectives, self._key = service, objectives, key
        self._first = self._seen()
        self._last = Seen()

    def look(self) -> Seen:
        """The newest that is known: who can't be asked now was asked before."""
        now = self._seen()
        self._first = self._first or now
        if now and self._first:
            self._last = now.since(self._first)
        return self._last

    def _seen(self) -> Seen | None:
        return _look(self._service, self._objectives, self._key)


class Records:
    """What both services answer from now on, as the prediction log tells it."""

    def __init__(
        self, repository: Repository, canary: Service, live: Service, *, whole: bool
    ) -> None:
        self._repository, self._services = repository, (canary, live)
        bring_records(repository, canary.model)
        self._tail = Tail(records_dir(repository, canary.model) / PREDICTIONS_FILE)
        self._versions = {each.version: Predicted(whole) for each in self._services}

    def shift(self, tolerance: float) -> float | None:
        """How far their predictions lie apart; None until both answered enough."""
        bring_records(self._repository, self._services[0].model)
        for entry in filter(None, map(parsed, self._tail.fresh())):
            if entry["version"] in self._versions and not is_own(entry):
                self._versions[entry["version"]].add(entry)
        canary, live = self._versions.values()
        if min(canary.calls, live.calls) < LEAST_COMPARED:
            return None
        return shift(canary, live, tolerance)


def _moved(moved: float | None, limit: float) -> str | None:
    if moved is None or moved <= limit:
        return None
    return (
        f"its predictions are others: {moved:.2f} of them lie elsewhere than those of the version "
        f"that is live, and canary.shift in policies/deployment.yaml is {limit:g}"
    )


def judge(canary: Seen, live: Seen, objectives: Objectives) -> str | None:
    """Why the canary is to go back: it misses an objective, and by far more than what is live."""
    if _worse(canary.errors, canary.calls, live.errors, live.calls, 1 - objectives.available):
        return (
            f"{canary.errors} of its {canary.calls} calls failed, and {live.errors} of "
            f"{live.calls} of the version that is live"
        )
    if _worse(canary.slow, canary.calls, live.slow, live.calls, SLOW_SHARE):
        return (
            f"{canary.slow} of its {canary.calls} calls took over {objectives.p99_seconds:g} s, "
            f"and {live.slow} of {live.calls} of the version that is live"
        )
    return None


def _worse(found: int, calls: int, other: int, other_calls: int, allowed: float) -> bool:
    usual = other / other_calls if other_calls else 0.0
    return found >= LEAST and found / calls > max(allowed, TIMES * usual)


def _look(service: Service, objectives: Objectives, key: str | None) -> Seen | None:
    """What the service has counted since its start; None where it can't be asked now."""
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{service.url}/metrics", headers=authorization)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            return read(answer.read().decode(), objectives.p99_seconds)
    except (OSError, ValueError):
        return None


def read(exposition: str, seconds: float) -> Seen:
    """Count in what Prometheus reads; slow is what the first bound not below ``seconds`` misses."""
    calls, errors, bounds = 0.0, 0.0, {}
    for name, labels, value in LINE.findall(exposition):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if name == "mlops_requests_total" and label["path"] == "/predict":
            calls += float(value)
            errors += float(value) * label["status"].startswith("5")
        elif name == "mlops_predict_seconds_bucket":
            bounds[float(label["le"])] = float(value)
    within = next((bounds[bound] for bound in sorted(bounds) if bound >= seconds), 0.0)
    return Seen(int(calls), int(errors), int(max(bounds.values(), default=0.0) - within))
