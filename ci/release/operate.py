"""`mlops status`, `rollback`, `start` and `stop`: what an operator types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.busy import only_one
from ci.console import say, step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.registry.champion import servable
from ci.registry.versions import PREVIOUS, PRODUCTION, by_alias, promote
from ci.state.local import state_folder
from ci.state.records import all_released
from ci.targets import front, launch, local
from ci.toolchain import require

if TYPE_CHECKING:
    from ci.contract.deployment import LocalTarget
    from ci.repository import Repository
    from ci.targets.services import Service


@dataclass(frozen=True)
class Status:
    """One row of `mlops status`.

    ``state`` is ``running``, ``not ready`` or ``stopped`` for what this machine serves; ``warm``
    for the version before, which callers don't reach but could at once; and ``released`` for what
    was released and is not served here. The last two have no address.
    """

    model: str
    environment: str
    version: int
    url: str | None
    state: str
    since: str


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


def status(repository: Repository) -> list[Status]:
    """What is live here, and what was released according to the state as last fetched, by model."""
    policy = load_policy(repository, DeploymentPolicy).local
    here = [_shown(repository, each, policy) for each in local.all_recorded(repository)]
    served = {(row.model, row.version) for row in here}
    there = [
        Status(r.model, local.ENVIRONMENT, r.version, None, "released", r.released_at)
        for r in all_released(state_folder(repository))
        if (r.model, r.version) not in served
    ]
    return sorted([*here, *there], key=lambda row: row.model)


def _shown(repository: Repository, service: Service, policy: LocalTarget) -> Status:
    state = local.state(repository, service, policy)
    url = None if state == "warm" else front.address(repository, service.model, policy)
    return Status(service.model, local.ENVIRONMENT, service.version, url, state, service.since)


def rollback(repository: Repository, name: str) -> RolledBack:
    """Serve the previous version again, without building or training, and swap the aliases.

    Where it is kept warm, callers reach it before MLflow is asked anything.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``no_previous``, or what the target says.
    """
    repository.model_dir(name)
    policy = load_policy(repository, DeploymentPolicy)
    with only_one(repository, "deploy", name):
        _tell(repository, name)
        live, warm = local.recorded(repository, name), local.warm(repository, name)
        if live and warm:
            local.take_over(repository, warm, policy.local)
            say(f"{name}: version {warm.version} answers again.")
            _tell(repository, name)
            return RolledBack(name, live.version, warm.version)
        return _roll_back_cold(repository, name, policy)


def _roll_back_cold(repository: Repository, name: str, policy: DeploymentPolicy) -> RolledBack:
    live = by_alias(repository, name, PRODUCTION)
    if live is None:
        raise not_deployed(name)
    previous = by_alias(repository, name, PREVIOUS)
    if previous is None:
        raise MlopsError(
            "no_previous",
            f"{name} has no version before {live.version} to go back to; "
            f"`mlops stop {name}` takes it out of service.",
        )
    contract = servable(repository, previous).contract
    with step(f"{name}: going back from version {live.version} to {previous.version}"):
        local.resume(repository, previous, contract.example_row(), policy)
    promote(repository, name, previous.version)
    local.told(repository, name)
    return RolledBack(name, live.version, previous.version)


def _tell(repository: Repository, name: str) -> None:
    """Have MLflow say what is live, where a command was cut off before it did, or could not yet."""
    version = local.untold(repository, name)
    if version is not None:
        promote(repository, name, version)
        local.told(repository, name)


def start(repository: Repository, name: str | None) -> list[Started]:
    """Serve the production version of ``name``, or of every model that is here, again.

    Returns what was started; what runs already is left alone. One that can't be started does not
    keep the others from it.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``lost_bento`` or what the target says.
    """
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
        _tell(repository, name)
        version = by_alias(repository, name, PRODUCTION)
        if version is None:
            raise not_deployed(name)
        contract = servable(repository, version).contract
        require(contract.language)
        before = _running(repository, name, policy.local)
        with step(f"{name}: version {version.version}"):
            service = local.resume(repository, version, contract.example_row(), policy)
        local.told(repository, name)
        if service == before:
            return None
        return Started(name, version.version, front.address(repository, name, policy.local))


def _running(repository: Repository, name: str, policy: LocalTarget) -> Service | None:
    service = local.recorded(repository, name)
    return service if service and local.state(repository, service, policy) == "running" else None


def stop(repository: Repository, name: str | None) -> list[str]:
    """End the service of ``name``, or every one; returns the models whose service was ended.

    Raises:
        MlopsError: ``unknown_model``, or ``busy`` while a deployment runs.
    """
    known = local.known_models(repository)
    if name is not None and name not in known:
        repository.model_dir(name)
    return [each for each in ([name] if name else known) if _stop(repository, each)]


def _stop(repository: Repository, name: str) -> bool:
    with only_one(repository, "deploy", name):
        return local.stop(repository, name)


def not_deployed(name: str) -> MlopsError:
    """The error of commands that need a live version."""
    return MlopsError("not_deployed", f"{name} has never been deployed; type: mlops deploy {name}")
