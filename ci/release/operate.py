"""`mlops rollback`, `start` and `stop`: what an operator types."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ci.actor import NO_REASON, whoever
from ci.busy import only_one
from ci.console import say, step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.events.event import Draft
from ci.events.log import own_log
from ci.registry.champion import registered_as, servable
from ci.registry.change import Why, finish, promote, roll_back
from ci.registry.versions import PREVIOUS, PRODUCTION, by_alias
from ci.release.tell import tell_or_say, told
from ci.targets import front, launch, local

if TYPE_CHECKING:
    from ci.contract.deployment import LocalTarget
    from ci.host.place import Me
    from ci.repository import Repository
    from ci.targets.services import Service


@dataclass(frozen=True)
class RolledBack:
    """A rollback from one version number to another."""

    model: str
    from_version: int
    to_version: int


@dataclass(frozen=True)
class Started:
    """A version that answers again, and where callers find it."""

    model: str
    version: int
    url: str


def rollback(repository: Repository, name: str, reason: str = NO_REASON) -> RolledBack:
    """Serve the previous version again, without building or training, and swap the aliases.

    Where it is kept warm, callers reach it before MLflow is asked anything.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``no_previous``, or what the target says.
    """
    from ci.host.place import me

    if me(repository):
        from ci.host.rollback import rollback as go_back

        return RolledBack(name, *go_back(repository, name, reason))
    repository.model_dir(name)
    policy, why = load_policy(repository, DeploymentPolicy), Why(reason)
    with only_one(repository, "deploy", name):
        own_log(repository).require_whole()
        live, warm = local.recorded(repository, name), local.warm(repository, name)
        if live and warm:
            return _go_back_to_warm(repository, live, warm, policy.local, why)
        _finish(repository, name)
        return _roll_back_cold(repository, name, policy, why)


def _go_back_to_warm(
    repository: Repository, live: Service, warm: Service, policy: LocalTarget, why: Why
) -> RolledBack:
    name, begin = live.model, time.monotonic()
    _tell_cut_off(repository, name)
    with told(repository, name, why, warm.version):
        local.take_over(repository, warm, policy)
    seconds = time.monotonic() - begin
    say(f"{name}: version {warm.version} answers again.")
    finish(repository, name)
    roll_back(repository, name, warm.version, why, seconds)
    local.told(repository, name)
    return RolledBack(name, live.version, warm.version)


def _roll_back_cold(
    repository: Repository, name: str, policy: DeploymentPolicy, why: Why
) -> RolledBack:
    begin = time.monotonic()
    live = by_alias(repository, name, PRODUCTION)
    if live is None:
        raise not_deployed(name)
    previous = registered_as(repository, name, PREVIOUS)
    if previous is None:
        raise MlopsError(
            "no_previous",
            f"{name} has no version before {live.version} to go back to; "
            f"`mlops stop {name}` takes it out of service.",
        )
    contract = servable(repository, previous).contract
    with (
        told(repository, name, why, previous.version),
        step(f"{name}: going back from version {live.version} to {previous.version}"),
    ):
        local.resume(repository, previous, contract.example_row(), policy)
    roll_back(repository, name, previous.version, why, time.monotonic() - begin)
    local.told(repository, name)
    return RolledBack(name, live.version, previous.version)


def _finish(repository: Repository, name: str) -> None:
    """Bring the registry in step with the events, and these with what callers reach."""
    finish(repository, name)
    _tell_cut_off(repository, name)


def _tell_cut_off(repository: Repository, name: str) -> None:
    """Have the registry say what is live, where a command was cut off before it did."""
    version = local.untold(repository, name)
    if version is not None:
        promote(repository, name, version, Why("finished what was cut off"))
        local.told(repository, name)


def start(repository: Repository, name: str | None) -> list[Started]:
    """Serve the production version of ``name``, or of every model that is here, again.

    Returns what was started; what runs already is left alone. One that can't be started does not
    keep the others from it.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``lost_bento`` or what the target says.
    """
    from ci.host.place import me

    own = me(repository)
    if own:
        return _start_host(repository, own, name)
    if name is not None and name not in local.known_models(repository):
        repository.model_dir(name)
    started, errors = [], []
    for each in [name] if name else _startable(repository):
        try:
            service = _start(repository, each)
        except MlopsError as error:
            errors.append(error)
        else:
            started += [service] if service else []
    for other in errors[1:]:
        say(other.message)
    if errors:
        raise errors[0]
    return started


def _start_host(repository: Repository, own: Me, name: str | None) -> list[Started]:
    from ci.host.place import policy_of
    from ci.host.rollback import start as begin

    policy = policy_of(repository).local
    return [
        Started(each.model, each.version, front.address(repository, each.model, policy))
        for each in begin(repository, own, name)
    ]


def _startable(repository: Repository) -> list[str]:
    """Models that ran here, and those whose production version was brought here."""
    names = {*local.known_models(repository)}
    for name in repository.model_names():
        version = None if name in names else by_alias(repository, name, PRODUCTION)
        if version and launch.bento_folder(repository, version.bento).is_dir():
            names.add(name)
    return sorted(names)


def _start(repository: Repository, name: str) -> Started | None:
    """The service that was started, or None where it runs already."""
    policy = load_policy(repository, DeploymentPolicy)
    with only_one(repository, "deploy", name):
        _finish(repository, name)
        version = registered_as(repository, name, PRODUCTION)
        if version is None:
            raise not_deployed(name)
        contract = servable(repository, version).contract
        before = local.in_place(repository, name, policy)
        with step(f"{name}: version {version.version}"):
            service = local.resume(repository, version, contract.example_row(), policy)
        local.told(repository, name)
        if service == before:
            return None
        tell_or_say(repository, _event("started", name, service.version, "mlops start"))
        return Started(name, version.version, front.address(repository, name, policy.local))


def stop(repository: Repository, name: str | None, reason: str = NO_REASON) -> list[str]:
    """End the service of ``name``, or every one; returns the models whose service was ended.

    Raises:
        MlopsError: ``unknown_model``, or ``busy`` while a deployment runs.
    """
    known = local.known_models(repository)
    if name is not None and name not in known:
        repository.model_dir(name)
    return [each for each in ([name] if name else known) if _stop(repository, each, reason)]


def _stop(repository: Repository, name: str, reason: str) -> bool:
    from ci.host.place import me
    from ci.host.tell import tell_withdrawn

    with only_one(repository, "deploy", name):
        service = local.recorded(repository, name)
        if not local.stop(repository, name):
            return False
        version = service.version if service else None
        if me(repository):
            tell_withdrawn(repository, name, version, f"stopped: {reason}")
        else:
            tell_or_say(repository, _event("stopped", name, version, reason))
        return True


def _event(
    kind: Literal["started", "stopped"], name: str, version: int | None, reason: str
) -> Draft:
    return Draft(kind=kind, model=name, actor=whoever(), reason=reason, version=version)


def not_deployed(name: str) -> MlopsError:
    """The error of commands that need a live version."""
    return MlopsError("not_deployed", f"{name} has never been deployed; type: mlops deploy {name}")
