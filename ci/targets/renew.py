"""A fresh process in place of one that serves the same version: its files were changed on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.keys import own_key
from ci.targets import local
from ci.targets.launch import launch
from ci.targets.readiness import probe
from ci.targets.turn import one_switch_at_a_time

if TYPE_CHECKING:
    from ci.contract.deployment import DeploymentPolicy
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service


def renew(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version`` by a new process; the old one answers until then.

    Raises:
        MlopsError: as `local.resume`; the old process goes on.
    """
    local.settle(repository, version.model)
    try:
        with one_switch_at_a_time(policy.local.start_timeout_seconds):
            service = launch(repository, version, policy.local)
        with own_key(repository, version.model) as key:
            probe(service, example, key)
    except MlopsError:
        local.settle(repository, version.model)
        raise
    return local.take_over(repository, service, policy.local)
