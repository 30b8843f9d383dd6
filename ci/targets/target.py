"""Where the services of versions are at home: what each target does in its own way.

All else is the same for all of them: a service answers HTTP, so that being ready, being asked and
the switch of HAProxy know no target. The record says of each service where it is at home, so that
a model may move from one target to another without losing a call.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from ci.errors import MlopsError
from ci.targets.launch import Processes
from ci.targets.services import read_record
from ci.targets.turn import one_switch_at_a_time

if TYPE_CHECKING:
    from ci.contract.deployment import DeploymentPolicy
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service


class Target(Protocol):
    """A home of services."""

    def has(self, service: Service) -> bool:
        """Whether ``service`` is at home here, running or not."""

    def prepare(self, repository: Repository, version: Version) -> None:
        """Have here what a start of ``version`` needs, however long that takes."""

    def start(self, repository: Repository, version: Version, policy: DeploymentPolicy) -> Service:
        """Start a service of ``version``, take it down as starting, and wait until it is ready.

        Raises:
            MlopsError: what was started is for the caller to end.
        """

    def runs(self, service: Service) -> bool:
        """Whether it is there and was not ended."""

    def end(self, repository: Repository, service: Service) -> None:
        """End it once it has answered what it has begun, and leave nothing of it; keep records.

        One that does not run, or never began to, is cleared away.
        """

    def bring_records(self, repository: Repository, service: Service) -> None:
        """Have its records and what it printed, as far as they are new, below `.mlops`."""


def chosen(policy: DeploymentPolicy) -> Target:
    """The target that the policy names."""
    if policy.target == "docker":
        from ci.targets.containers import Containers
        from ci.targets.engine import engine_of

        return Containers(engine_of(policy.docker))
    return Processes()


def start(repository: Repository, version: Version, policy: DeploymentPolicy) -> Service:
    """Start a service of ``version`` where the policy says.

    Raises:
        MlopsError: ``busy``, or what the target says; what was started is for the caller to end.
    """
    target = chosen(policy)
    target.prepare(repository, version)
    with one_switch_at_a_time(policy.local.start_timeout_seconds):
        return target.start(repository, version, policy)


def bring_records(repository: Repository, name: str) -> None:
    """Have below `.mlops` what services of ``name`` have recorded and printed elsewhere by now.

    An engine that does not answer is no reason not to show the rest.
    """
    for service in read_record(repository, name).services:
        with suppress(MlopsError):
            home(service).bring_records(repository, service)


def home(service: Service) -> Target:
    """The target where ``service`` is."""
    if service.container:
        from ci.targets.containers import Containers

        return Containers(service.engine)
    return Processes()
