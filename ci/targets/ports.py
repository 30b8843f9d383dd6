"""Ports of the local target: a model keeps its own from version to version."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.files import read_json, write_json

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


def port_of(repository: Repository, name: str, policy: LocalTarget) -> int:
    """The port of model ``name``: the one that it has, else the first that nobody has or uses.

    Raises:
        MlopsError: ``no_port`` where the range of the policy is used up.
    """
    path = repository.state_dir / "live" / "ports.json"
    given = read_json(path) or {}
    known = given.get(name)
    if known is not None and policy.first_port <= known <= policy.last_port:
        return int(known)
    taken = set(given.values())
    for port in range(policy.first_port, policy.last_port + 1):
        if port not in taken and is_free(port):
            write_json(path, {**given, name: port})
            return port
    raise MlopsError(
        "no_port",
        f"No port is free from {policy.first_port} to {policy.last_port}; "
        "widen local.first_port and local.last_port in policies/deployment.yaml.",
    )
