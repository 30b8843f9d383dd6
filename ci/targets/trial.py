"""What a new version must pass before all callers reach it: a shadow, then a canary."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.targets import front
from ci.targets.canary import Records, watch
from ci.targets.launch import bento_folder, records_dir, release_path
from ci.targets.services import CANARY, LIVE, STOPPED, read_record, write_record
from ci.targets.shadow import shadow
from ci.targets.target import bring_records

if TYPE_CHECKING:
    from pathlib import Path

    from bentos.bundle import Bundle
    from ci.contract.deployment import DeploymentPolicy
    from ci.repository import Repository
    from ci.targets.services import Service

CANARY_MARGIN_SECONDS = 10.0


def shadowed(repository: Repository, name: str, version: int) -> dict[str, Any] | None:
    """What came of the shadow of ``version`` when it was deployed here."""
    return read_json(_noted(repository, name, version, "shadow"))


def replay(
    repository: Repository, service: Service, policy: DeploymentPolicy, key: str | None
) -> None:
    """Ask ``service``, which nobody reaches, what callers asked before.

    Raises:
        MlopsError: ``shadow_failed``; the caller ends it.
    """
    before = read_record(repository, service.model).of(LIVE, STOPPED)
    against = before.version if before else None
    bring_records(repository, service.model)
    folder, bundle = records_dir(repository, service.model), _bundle(repository, service)
    seen = shadow(service, bundle, folder, against, policy, key)
    path = _noted(repository, service.model, service.version, "shadow")
    write_json(path, asdict(seen))
    say(f"  {seen.said()}.")
    if seen.problem:
        raise MlopsError(
            "shadow_failed",
            f"Version {service.version} of {service.model} was given to no caller: asked what they "
            f"asked before, {seen.problem}; see {repository.relative(path)}.",
        )


def try_out(
    repository: Repository,
    service: Service,
    live: Service,
    policy: DeploymentPolicy,
    key: str | None,
) -> None:
    """Have a share of the callers reach ``service`` for a while, where the policy says so.

    Raises:
        MlopsError: ``canary_failed``; the caller ends it.
    """
    rules = policy.canary
    if rules is None:
        return
    until = time.time() + rules.seconds + CANARY_MARGIN_SECONDS
    canary = replace(service, role=CANARY, share=rules.share, until=until)
    record = read_record(repository, service.model)
    services = [canary if each == service else each for each in record.services]
    write_record(repository, replace(record, services=tuple(services)))
    inputs = _bundle(repository, service).inputs.values()
    whole = not any(column.get("pii") for column in inputs)
    front.apply(repository, policy.local)
    records = Records(repository, canary, live, whole=whole)
    reach = f"{rules.share:g} of 100 callers reach version {service.version}"
    say(f"  {reach} for {rules.seconds:g} s …")
    seen = watch(canary, live, policy, records, key)
    path = _noted(repository, service.model, service.version, "canary")
    write_json(path, {**asdict(seen), "rules": rules.model_dump(), "against": live.version})
    if seen.problem:
        raise MlopsError(
            "canary_failed",
            f"Version {service.version} of {service.model} went back to version {live.version}: "
            f"as a canary, {seen.problem}; see {repository.relative(path)}.",
        )
    new, moved = seen.canary, seen.shift
    shifted = "" if moved is None else f", {moved:.2f} of its predictions lie elsewhere"
    say(
        f"  it answered {new.calls} calls, {new.errors} of them with 5xx, {new.slow} too slow"
        f"{shifted}."
    )


def _bundle(repository: Repository, service: Service) -> Bundle:
    from bentos.bundle import read_bundle

    return read_bundle(bento_folder(repository, service.bento) / "src")


def _noted(repository: Repository, name: str, version: int, what: str) -> Path:
    return release_path(repository, name, version).with_suffix(f".{what}.json")
