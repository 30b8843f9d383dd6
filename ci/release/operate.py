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
from ci.targets import local
from ci.toolchain import require

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.targets.local import Service


@dataclass(frozen=True)
class Status:
    """One row of `mlops status`.

    ``state`` is ``running``, ``not ready`` or ``stopped`` for what this machine serves, and
    ``released``, without an address, for what was released and is not served here.
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


def status(repository: Repository) -> list[Status]:
    """What is live here, and what was released according to the state as last fetched, by model."""
    here = [
        Status(s.model, local.ENVIRONMENT, s.version, s.url, local.state(s), s.since)
        for s in local.all_recorded(repository)
    ]
    served = {(row.model, row.version) for row in here}
    there = [
        Status(r.model, local.ENVIRONMENT, r.version, None, "released", r.released_at)
        for r in all_released(state_folder(repository))
        if (r.model, r.version) not in served
    ]
    return sorted([*here, *there], key=lambda row: row.model)


def rollback(repository: Repository, name: str) -> RolledBack:
    """Serve the previous version again, without building or training, and swap the aliases.

    Raises:
        MlopsError: ``unknown_model``, ``not_deployed``, ``no_previous``, or what the target says.
    """
    repository.model_dir(name)
    policy = load_policy(repository, DeploymentPolicy)
    with only_one(repository, "deploy", name):
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
            local.resume(repository, previous, contract.example_row(), policy.local)
        promote(repository, name, previous.version)
        return RolledBack(name, live.version, previous.version)


def start(repository: Repository, name: str | None) -> list[Service]:
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
        if version and local.bento_folder(repository, version.bento).is_dir():
            names.add(name)
    return sorted(names)


def _start(repository: Repository, name: str) -> Service | None:
    """The service that was started, or None where it runs already."""
    policy = load_policy(repository, DeploymentPolicy)
    with only_one(repository, "deploy", name):
        version = by_alias(repository, name, PRODUCTION)
        if version is None:
            raise not_deployed(name)
        contract = servable(repository, version).contract
        require(contract.language)
        before = local.recorded(repository, name)
        with step(f"{name}: version {version.version}"):
            service = local.resume(repository, version, contract.example_row(), policy.local)
        return None if service == before else service


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
