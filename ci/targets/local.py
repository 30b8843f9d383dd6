"""The target `local`: a live version is a process on this machine, behind HAProxy.

A version is started beside the one that is live, asked, and only then given to callers, all at
once; the one before goes on running for a while. The record of a model says first what is about to
change, so that a command that is cut off anywhere leaves what the next one finishes or undoes.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import write_json
from ci.keys import own_key, take_over_policy
from ci.targets import front, processes
from ci.targets.http import is_ready, served
from ci.targets.ports import HOST, free_port
from ci.targets.readiness import probe, probe_speed, wait_until_ready
from ci.targets.services import (
    LEAVING,
    LIVE,
    STARTING,
    STOPPED,
    WARM,
    Record,
    Service,
    all_records,
    read_record,
    write_record,
)
from ci.targets.turn import one_switch_at_a_time
from ci.telemetry import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.contract.deployment import DeploymentPolicy, LocalTarget
    from ci.registry.versions import Version
    from ci.repository import Repository

ENVIRONMENT = "production"
# A call that HAProxy sends on just before a switch has arrived by then.
GRACE_SECONDS = 0.2
REACHED_SECONDS = 5.0


def recorded(repository: Repository, name: str) -> Service | None:
    """The service of ``name`` that callers reach, or reached before it was stopped."""
    return read_record(repository, name).of(LIVE, STOPPED)


def warm(repository: Repository, name: str) -> Service | None:
    """The version before, where it is kept running and would answer now."""
    service = read_record(repository, name).of(WARM)
    return service if service and _answers(service) else None


def all_recorded(repository: Repository) -> list[Service]:
    """Every service that callers reach or reached, and those kept warm, by model."""
    services = [each for record in all_records(repository) for each in record.services]
    shown = [each for each in services if each.role in (LIVE, STOPPED)]
    return shown + [each for each in services if each.role == WARM and _runs(each)]


def known_models(repository: Repository) -> list[str]:
    """Models of which something runs, ran, or was being started."""
    return [record.model for record in all_records(repository)]


def state(repository: Repository, service: Service, policy: LocalTarget) -> str:
    """``running``, ``not ready``, ``warm`` or ``stopped``."""
    if not _runs(service):
        return "stopped"
    if service.role == WARM:
        return "warm"
    return "running" if _is_reached(repository, service, policy) else "not ready"


def switch(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version`` to callers of its model, without one of them noticing.

    Should it not start, not answer or be too slow, nothing has changed.

    Raises:
        MlopsError: ``busy``, ``no_port``, ``port_in_use``, ``no_haproxy``, ``start_failed``,
            ``probe_failed``, ``too_slow`` or ``front_failed``.
    """
    service = _brought_up(repository, version, example, policy.local)
    if service.role == STARTING:
        with (
            _ended_on_failure(repository, version.model),
            own_key(repository, version.model) as key,
        ):
            probe_speed(service, example, policy.objectives.p99_seconds, key)
    return take_over(repository, service, policy.local)


def resume(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version``, which was live before: at once where it still runs.

    Raises:
        MlopsError: as ``switch``, but for its speed.
    """
    service = _brought_up(repository, version, example, policy.local)
    return take_over(repository, service, policy.local)


def take_over(repository: Repository, service: Service, policy: LocalTarget) -> Service:
    """Have callers reach ``service``, which runs; what they reached before is kept warm.

    Raises:
        MlopsError: ``front_failed`` or ``port_in_use``; callers reach what they reached before.
    """
    before = read_record(repository, service.model)
    live = replace(service, role=LIVE, until=0.0)
    others = [_moved_on(each, live, policy) for each in before.services if each.pid != live.pid]
    untold = service.version if service.role != LIVE else before.untold
    write_record(repository, Record(service.model, (live, *others), untold))
    try:
        front.apply(repository, policy)
        _require_reached(repository, live, policy)
    except MlopsError:
        write_record(repository, before)
        settle(repository, service.model)
        raise
    settle(repository, service.model)
    return live


def told(repository: Repository, name: str) -> None:
    """Note that MLflow knows which version is live."""
    write_record(repository, replace(read_record(repository, name), untold=None))


def untold(repository: Repository, name: str) -> int | None:
    """The version that is live, where a command was cut off before it told MLflow."""
    return read_record(repository, name).untold


def settle(repository: Repository, name: str) -> bool:
    """End what nobody needs: what was cut off, was live, or was warm long enough.

    Only for who holds the model's lock. Returns whether something was ended.
    """
    record = read_record(repository, name)
    over = [each for each in record.services if _is_over(each)]
    running = [each for each in over if _runs(each)]
    if running:
        time.sleep(GRACE_SECONDS)
    for service in running:
        _end(repository, service)
    left = tuple(each for each in record.services if each not in over or each.role == STOPPED)
    if left != record.services:
        write_record(repository, replace(record, services=left))
    return bool(running)


def stop(repository: Repository, name: str) -> bool:
    """End all that runs of ``name``, once it has answered; False where nothing did.

    Raises:
        MlopsError: ``front_failed``; nothing was ended.
    """
    record = read_record(repository, name)
    shown = record.of(LIVE, STOPPED)
    services = [replace(s, role=STOPPED if s == shown else LEAVING) for s in record.services]
    write_record(repository, replace(record, services=tuple(services)))
    front.withdraw(repository)
    return settle(repository, name)


def _moved_on(service: Service, live: Service, policy: LocalTarget) -> Service:
    """What becomes of a service when ``live`` goes live."""
    was_live = service.role == LIVE and service.version != live.version and _runs(service)
    if was_live and policy.warm_seconds:
        return replace(service, role=WARM, until=time.time() + policy.warm_seconds)
    return replace(service, role=LEAVING)


def _is_over(service: Service) -> bool:
    if service.role == WARM:
        return service.until <= time.time() or not _runs(service)
    return service.role in (STARTING, LEAVING) or (service.role == STOPPED and _runs(service))


def _runs(service: Service) -> bool:
    return processes.is_running(service.pid, service.started)


def _answers(service: Service) -> bool:
    return _runs(service) and is_ready(service.url)


def _is_reached(repository: Repository, service: Service, policy: LocalTarget) -> bool:
    url = front.address(repository, service.model, policy)
    return served(url) == (service.model, service.version) and is_ready(url)


def _require_reached(repository: Repository, service: Service, policy: LocalTarget) -> None:
    deadline = time.monotonic() + REACHED_SECONDS
    while not _is_reached(repository, service, policy):
        if time.monotonic() > deadline:
            raise MlopsError(
                "front_failed",
                f"Version {service.version} of {service.model} runs, but does not answer at "
                f"{front.address(repository, service.model, policy)}; see .mlops/logs/haproxy.log.",
            )
        time.sleep(0.02)


def _brought_up(
    repository: Repository, version: Version, example: dict[str, Any], policy: LocalTarget
) -> Service:
    """A process of ``version`` that can answer: one that runs already, or a new one."""
    settle(repository, version.model)
    front.require(repository, policy)
    record = read_record(repository, version.model)
    for role in (LIVE, WARM):
        service = record.of(role)
        if service and service.version == version.version and _answers(service):
            return service
    release = release_path(repository, version.model, version.version)
    write_json(release, asdict(version))
    with one_switch_at_a_time(policy.start_timeout_seconds):
        service = _launch(repository, version, policy)
    with _ended_on_failure(repository, version.model), own_key(repository, version.model) as key:
        probe(service, example, key)
    return service


@contextmanager
def _ended_on_failure(repository: Repository, name: str) -> Iterator[None]:
    try:
        yield
    except MlopsError:
        settle(repository, name)
        raise


def _launch(repository: Repository, version: Version, policy: LocalTarget) -> Service:
    """Start a process of ``version`` and wait until it is ready."""
    from bentos.serve import serve_command, serve_environment

    port = free_port(policy)
    folder = bento_folder(repository, version.bento)
    log = repository.state_dir / "logs" / f"serve-{version.model}.log"
    environment = serve_environment(
        release_path(repository, version.model, version.version),
        process_home(repository, version.model, port),
        records_dir(repository, version.model),
        take_over_policy(repository),
    )
    draft = _draft(version, port)
    service = draft

    def note(pid: int, started: str) -> None:
        nonlocal service
        service = replace(draft, pid=pid, started=started)
        record = read_record(repository, version.model)
        write_record(repository, replace(record, services=(*record.services, service)))

    processes.start(serve_command(folder, port), {**OFF, **environment}, log, folder, note)
    with _ended_on_failure(repository, version.model):
        wait_until_ready(service, log, policy.start_timeout_seconds)
    return service


def _draft(version: Version, port: int) -> Service:
    """The service of ``version`` before it has a process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Service(
        version.model,
        version.version,
        version.bento,
        version.fingerprint,
        f"http://{HOST}:{port}",
        port,
        0,
        "",
        since,
    )


def _end(repository: Repository, service: Service) -> None:
    """End ``service`` once it has answered what it has begun, for which it may need its limit."""
    from bentos.serve import drain_seconds

    folder = bento_folder(repository, service.bento)
    answering = drain_seconds(folder) if folder.is_dir() else 0
    processes.stop(service.pid, service.started, answering + processes.STOP_SECONDS)
    shutil.rmtree(process_home(repository, service.model, service.port), ignore_errors=True)


def release_path(repository: Repository, name: str, version: int) -> Path:
    """The file from which a service reads which version it is."""
    return repository.state_dir / "releases" / name / f"{version}.json"


def log_path(repository: Repository, name: str) -> Path:
    """What the services of ``name`` and their processes print."""
    return repository.state_dir / "logs" / f"serve-{name}.log"


def records_dir(repository: Repository, name: str) -> Path:
    """Where the services of ``name`` leave access records and predictions, as JSON lines."""
    return repository.state_dir / "records" / name


def process_home(repository: Repository, name: str, port: int) -> Path:
    """The BENTOML_HOME of one process: BentoML empties its metrics there at the start."""
    return repository.state_dir / "run" / f"{name}-{port}"


def bento_folder(repository: Repository, bento: str) -> Path:
    """The folder of the Bento ``name:version`` in the repository's store."""
    name, _, version = bento.partition(":")
    return repository.state_dir / "bentoml" / "bentos" / name / version
