"""A fresh service in place of one that serves the same version: its files were changed on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.keys import own_key
from ci.targets import local
from ci.targets.readiness import probe
from ci.targets.target import start

if TYPE_CHECKING:
    from ci.contract.deployment import DeploymentPolicy
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service


def renew(
    repository: Repository, version: Version, example: dict[str, Any], policy: DeploymentPolicy
) -> Service:
    """Serve ``version`` by a new service; the old one answers until then.

    Raises:
        MlopsError: as `local.resume`; the old service goes on.
    """
    local.settle(repository, version.model)
    try:
        service = start(repository, version, policy)
        with own_key(repository, version.model) as key:
            probe(service, example, key)
    except MlopsError:
        local.settle(repository, version.model)
        raise
    return local.take_over(repository, service, policy.local)
