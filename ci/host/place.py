"""The host that a checkout is, and where its files lie: `.mlops/host/`."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.repository import check_name
from ci.targets.services import all_records, live_services

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


@dataclass(frozen=True)
class Me:
    """This host: its name, and what tells this checkout from another one with that name."""

    name: str
    instance: str


def folder(repository: Repository) -> Path:
    """Where a host's own files lie."""
    return repository.state_dir / "host"


def me(repository: Repository) -> Me | None:
    """The host that this checkout is, or None where `mlops host` never ran in it."""
    found = read_json(folder(repository) / "host.json")
    return Me(**found) if found else None


def become(repository: Repository, name: str) -> Me:
    """Make this checkout the host ``name``, which it stays.

    Raises:
        MlopsError: ``bad_name``; ``another_host`` where it is one already; ``in_use`` where it
            serves what it deployed itself.
    """
    check_name(name, "host")
    known = me(repository)
    if known is None:
        own = live_services(all_records(repository))
        if own:
            raise MlopsError(
                "in_use",
                f"This checkout serves {own[0].model}, which it deployed itself; run the host in a "
                "clone of its own, or first type: mlops stop",
            )
        known = Me(name, secrets.token_hex(8))
        write_json(folder(repository) / "host.json", asdict(known))
    if known.name != name:
        raise MlopsError(
            "another_host",
            f"This checkout is the host {known.name}; run {name} in a clone of its own, or type: "
            f"mlops host {known.name}",
        )
    return known


def forget(repository: Repository) -> None:
    """Let this checkout be no host again."""
    (folder(repository) / "host.json").unlink(missing_ok=True)


def policy_of(repository: Repository) -> DeploymentPolicy:
    """`policies/deployment.yaml` as it is for this checkout, host or not.

    Raises:
        ProblemsError: as `load_policy`.
    """
    own = me(repository)
    return load_policy(repository, DeploymentPolicy).of_host(own.name if own else None)
