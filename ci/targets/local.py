"""What is live: a version is a service of a target, behind HAProxy of this machine.

A version is started beside the one that is live, asked, and only then given to callers, all at
once; the one before goes on running for a while. The record of a model says first what is about to
change, so that a command that is cut off anywhere leaves what the next one finishes or undoes.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.errors import MlopsError
from ci.keys import own_key
from ci.targets import front
from ci.targets.http import is_ready, served
from ci.targets.launch import drain_seconds
from ci.targets.readiness import probe, probe_speed
from ci.targets.services import (
    CANARY,
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
from ci.targets.target import chosen, home, start
from ci.targets.trial import replay, try_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import DeploymentPolicy, LocalTarget
    from ci.registry.versions import Version
    from ci.repository import Repository

ENVIRONMENT = "production"
# A call that HAProxy takes just before a switch is on its way by then.
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


def is_in_place(repository: Repository, service: Service, policy: DeploymentPolicy) -> bool:
    """Whether callers reach ``service``, and it is where the policy says that models run."""
    running = state(repository, service, policy.local) == "running"
    return running and chosen(policy).has(service)


def in_place(repository: Repository, name: str, policy: DeploymentPolicy) -> Service | None:
    """The service of ``name`` that `is_in_place`, or None."""
    service = recorded(repository, name)
    return service if service and is_in_place(repository, service, policy) else None


def switch(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version`` to callers of its model, without one of them noticing.

    Should it not start, not answer or be too slow, nothing has changed.

    Raises:
        MlopsError: ``busy``, ``no_port``, ``port_in_use``, ``no_haproxy``, ``start_failed``,
            ``probe_failed``, ``too_slow``, ``shadow_failed``, ``canary_failed`` or
            ``front_failed``.
    """
    service = _brought_up(repository, version, example, policy)
    live = read_record(repository, version.model).of(LIVE)
    if service.role == STARTING:
        with (
            _ended_on_failure(repository, version.model),
            own_key(repository, version.model) as key,
        ):
            probe_speed(service, example, policy.objectives.p99_seconds, key)
            replay(repository, service, policy, key)
            if live and live.version != version.version and _answers(live):
                try_out(repository, service, live, policy, key)
    return take_over(repository, service, policy.local)


def resume(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version``, which was live before: at once where it still runs.

    Raises:
        MlopsError: as ``switch``, but for its speed.
    """
    service = _brought_up(repository, version, example, policy)
    return take_over(repository, service, policy.local)


def take_over(repository: Repository, service: Service, policy: LocalTarget) -> Service:
    """Have callers reach ``service``, which runs; what they reached before is kept warm.

    Raises:
        MlopsError: ``front_failed`` or ``port_in_use``; callers reach what they reached before.
    """
    before = read_record(repository, service.model)
    live = replace(service, role=LIVE, until=0.0, share=0.0)
    others, untold = [each for each in before.services if each.key != live.key], before.untold
    if service.role != LIVE:
        others, untold = [_moved_on(each, live, policy) for each in others], live.version
    write_record(repository, Record(service.model, (live, *others), untold))
    try:
        front.apply(repository, policy)
        _require_reached(repository, live, policy)
    except (MlopsError, OSError):
        with suppress(MlopsError, OSError):
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

    Raises:
        MlopsError: ``front_failed``: callers may still reach what is over, so that it goes on.
    """
    record = read_record(repository, name)
    record = replace(record, services=tuple(_no_canary(each) for each in record.services))
    over = [each for each in record.services if _is_over(each)]
    running = [each for each in over if _runs(each)]
    if over:
        write_record(repository, record)
        front.withdraw(repository)
    if running:
        time.sleep(GRACE_SECONDS)
        longest = max(drain_seconds(repository, each) for each in running)
        front.await_answers(repository, running, longest)
    kept = [service for service in over if not _ended(repository, service)]
    left = [each for each in record.services if each not in over or each.role == STOPPED]
    if (*left, *kept) != record.services:
        write_record(repository, replace(record, services=(*left, *kept)))
    if over:
        front.close(repository)
    return bool(running)


def stop(repository: Repository, name: str) -> bool:
    """End all that runs of ``name``, once it has answered; False where nothing did.

    Raises:
        MlopsError: ``front_failed``: nothing was ended. ``no_engine`` or ``engine_refused``: no
            caller reaches it, and the next command ends it.
    """
    record = read_record(repository, name)
    shown = record.of(LIVE, STOPPED)
    services = [replace(s, role=STOPPED if s == shown else LEAVING) for s in record.services]
    write_record(repository, replace(record, services=tuple(services)))
    ended = settle(repository, name)
    front.withdraw(repository)
    front.close(repository)
    if shown:
        home(shown).end(repository, shown)  # one that does not run may have left something
    return ended


def _ended(repository: Repository, service: Service) -> bool:
    """End a service that nobody reaches; False where that is for the next command to try again."""
    try:
        home(service).end(repository, service)
    except MlopsError as error:
        say(f"Version {service.version} of {service.model} could not be ended: {error.message}")
        return False
    return True


def _moved_on(service: Service, live: Service, policy: LocalTarget) -> Service:
    """What becomes of a service when ``live`` goes live."""
    was_live = service.role == LIVE and service.version != live.version and _runs(service)
    if was_live and policy.warm_seconds:
        return replace(service, role=WARM, until=time.time() + policy.warm_seconds)
    return replace(service, role=LEAVING)


def _no_canary(service: Service) -> Service:
    return replace(service, role=LEAVING) if service.role == CANARY else service


def _is_over(service: Service) -> bool:
    if service.role == WARM:
        return service.until <= time.time() or not _runs(service)
    return service.role in (STARTING, LEAVING) or (service.role == STOPPED and _runs(service))


def _runs(service: Service) -> bool:
    return home(service).runs(service)


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
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """A service of ``version`` that can answer: one that runs already, or a new one."""
    settle(repository, version.model)
    front.require(repository, policy.local)
    record, target = read_record(repository, version.model), chosen(policy)
    for service in filter(None, map(record.of, (LIVE, WARM))):
        same = service.version == version.version and target.has(service)
        if same and _answers(service):
            return service
    with _ended_on_failure(repository, version.model):
        service = start(repository, version, policy)
        with own_key(repository, version.model) as key:
            probe(service, example, key)
    return service


@contextmanager
def _ended_on_failure(repository: Repository, name: str) -> Iterator[None]:
    try:
        yield
    except (MlopsError, OSError):
        with suppress(OSError):  # a full disk: the next command ends what was begun
            settle(repository, name)
        raise
