"""Each service that should run here: its processes, what it answers, its records."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from bentos.records import ACCESS_FILE
from ci.doctor.calls import calls
from ci.doctor.finding import Finding, spoken
from ci.errors import MlopsError
from ci.host.place import policy_of
from ci.keys import own_key
from ci.observe.recorded import newest
from ci.targets import front, processes
from ci.targets.engine import engine_of, require_engine
from ci.targets.http import metrics, refusal, served
from ci.targets.launch import records_dir
from ci.targets.local import all_recorded
from ci.targets.services import all_records, live_services
from ci.targets.target import bring_records, home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import DeploymentPolicy
    from ci.repository import Repository
    from ci.targets.services import Service

RECENT_SECONDS = 15 * 60.0
# The supervisor starts the API at once: one that is younger than this was started again.
START_SECONDS = 5.0
WRITTEN_SECONDS = 3.0
LOOKED_AT = 200


def services(repository: Repository) -> Iterator[Finding]:
    """All services that the local target remembers."""
    policy = policy_of(repository)
    objectives = policy.objectives
    if live_services(all_records(repository)) and not front.answers(policy.local.port):
        problem = f"HAProxy does not answer at port {policy.local.port}: callers reach no model"
        yield Finding("haproxy", problem, "mlops start")
    yield from _engine(policy)
    for service in all_recorded(repository):
        absent = _absent(service)
        if absent:
            yield absent
            continue
        yield from _restarts(repository, service)
        yield from calls(repository, service.model, objectives)
        if not _is_recorded(repository, service):
            folder = repository.relative(records_dir(repository, service.model))
            unwritten = f"{service.model} can't write its access records to {folder}"
            yield Finding(service.model, unwritten, f"df -h {folder}; ls -la {folder}")


def _engine(policy: DeploymentPolicy) -> Iterator[Finding]:
    """An engine that does not answer, where the policy needs one."""
    try:
        if policy.target == "docker":
            require_engine(engine_of(policy.docker))
    except MlopsError as error:  # it says what to type
        yield Finding("engine", error.message.rstrip("."), None)


def _absent(service: Service) -> Finding | None:
    """Why nobody can be answered, or None where all can."""
    name, logs = service.model, f"mlops logs {service.model}"
    again = f"mlops stop {name} && mlops start {name}"
    if not home(service).runs(service):
        what = "container" if service.container else "process"
        return Finding(name, f"{name} does not run: its {what} is gone", f"mlops start {name}")
    refused = refusal(service.url)
    if refused is None:
        return Finding(name, f"{name} runs, but does not answer at {service.url}", again)
    if refused:
        return Finding(name, f"{name} can't serve: {refused.rstrip('.')}", logs)
    found = served(service.url)
    if found != (name, service.version):
        answers = " ".join(map(str, found)) if found else "something else"
        return Finding(name, f"At {service.url} of {name} {answers} answers", again)
    return None


def _restarts(repository: Repository, service: Service) -> Iterator[Finding]:
    """Processes that died a short while ago; what they printed says why.

    The engine starts a container again; what happens in one is not looked at.
    """
    if service.container:
        return
    name, logs = service.model, f"mlops logs {service.model}"
    apis = processes.children(service.pid)
    whole = processes.age_seconds(service.pid)
    api = min(map(processes.age_seconds, apis), default=whole)
    if api < min(whole - START_SECONDS, RECENT_SECONDS):
        problem = f"The process of {name} that answers calls died {spoken(api)} ago"
        yield Finding(name, problem, logs)
    workers = [each for pid in apis for each in processes.children(pid)]
    youngest = min(map(processes.age_seconds, workers), default=whole)
    if youngest >= min(whole, RECENT_SECONDS):
        return
    with own_key(repository, name) as key:
        found = metrics(service.url, key)
    if found is None:
        yield Finding(name, f"{name} does not give its metrics at {service.url}/metrics", logs)
    elif number := found["mlops_worker_restarts_total"]:
        times = "once" if number == 1 else f"{number:g} times"
        problem = (
            f"A process of {name}'s model died {spoken(youngest)} ago, {times} since it was started"
        )
        yield Finding(name, problem, logs)


def _is_recorded(repository: Repository, service: Service) -> bool:
    """Whether a call of our own gets its access record."""
    own = f"doctor-{time.time_ns():x}"
    served(service.url, own)
    folder = records_dir(repository, service.model)
    deadline = time.monotonic() + WRITTEN_SECONDS
    while time.monotonic() < deadline:
        bring_records(repository, service.model)
        if any(
            each["request_id"] == own for each in islice(newest(folder, ACCESS_FILE), LOOKED_AT)
        ):
            return True
        time.sleep(0.05)
    return False
