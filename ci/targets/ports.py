"""Ports of the local target: each process has one of its own, whatever model it serves."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.targets.services import all_records

if TYPE_CHECKING:
    from ci.contract.deployment import LocalTarget
    from ci.repository import Repository

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A free port that the system picks, for a service that nobody but us calls."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_port(repository: Repository, policy: LocalTarget) -> int:
    """The first port of the policy's range that nobody uses, here or on an engine.

    Raises:
        MlopsError: ``no_port`` where the range is used up.
    """
    ours = {each.port for record in all_records(repository) for each in record.services}
    ports = range(policy.first_port, policy.last_port + 1)
    for port in sorted(ports, key=ours.__contains__):
        if is_free(port):
            return port
    raise MlopsError(
        "no_port",
        f"No port is free from {policy.first_port} to {policy.last_port}; "
        "widen local.first_port and local.last_port in policies/deployment.yaml.",
    )
