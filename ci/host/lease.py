"""The turn to switch a model that several hosts serve: one after the other."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.files import read_json, write_json
from ci.host.place import folder
from ci.host.records import Lease, drop_leases, read_lease, write_lease
from ci.state.branch import StateBranch

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import DeploymentPolicy
    from ci.host.place import Me
    from ci.repository import Repository

MARGIN_SECONDS = 120.0


def is_shared(policy: DeploymentPolicy, own: Me, model: str) -> bool:
    """Whether other hosts are given ``model``, too."""
    return any(name != own.name and host.has(model) for name, host in policy.hosts.items())


def take_turn(
    repository: Repository, own: Me, policy: DeploymentPolicy, model: str, version: int
) -> Lease | None:
    """Take the turn to switch ``model``; the turn of another host where that lasts.

    A host that died keeps its turn for as long as a switch may take, by our own clock: those of
    two machines need not agree.

    Raises:
        MlopsError: ``state_unreachable`` or ``state_busy``.
    """
    lease = Lease(
        model=model,
        host=own.name,
        instance=own.instance,
        version=version,
        mark=secrets.token_hex(8),
        seconds=_longest(policy),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )

    def change(state: Path) -> Lease | None:
        there = read_lease(state, model)
        if there and there.instance != own.instance and not _is_over(repository, there):
            return there
        write_lease(state, lease)
        return None

    message = f"{own.name} switches {model} to version {version}"
    return StateBranch(repository.root).update(message, change)


def end_turns(repository: Repository, own: Me) -> None:
    """Let others switch.

    Raises:
        MlopsError: ``state_unreachable`` or ``state_busy``: the turn ends with its time.
    """
    StateBranch(repository.root).update(
        f"{own.name} has switched", lambda state: drop_leases(state, own.instance)
    )


def _longest(policy: DeploymentPolicy) -> float:
    canary = policy.canary.seconds if policy.canary else 0.0
    return policy.local.start_timeout_seconds + canary + MARGIN_SECONDS


def _is_over(repository: Repository, lease: Lease) -> bool:
    """Whether we have seen this turn, and no newer one, for as long as it may last."""
    path, now = folder(repository) / "turns" / f"{lease.model}.json", _seconds()
    seen = read_json(path) or {}
    if seen.get("mark") != lease.mark or seen["first"] > now:
        write_json(path, {"mark": lease.mark, "first": now})
        return False
    return bool(now - seen["first"] > lease.seconds)


def _seconds() -> float:
    """Since this machine was started: nobody can set it, and it does not jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
