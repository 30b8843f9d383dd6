"""The engine of the target `docker`: which it is, and a client of it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from ci.images.engine import DEFAULT_HOST, answering

if TYPE_CHECKING:
    from ci.contract.deployment import DockerTarget

ANSWER_SECONDS = 120
BUILD_SECONDS = 1800


def engine_of(policy: DockerTarget) -> str:
    """The address of the engine: the policy's, else what DOCKER_HOST says, else Docker's own."""
    return policy.engine or os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def require_engine(engine: str) -> None:
    """Make sure that the engine answers now.

    Raises:
        MlopsError: ``no_engine``.
    """
    with answering("answer", engine):
        client_of(engine).ping()


@cache
def client_of(engine: str, seconds: int = ANSWER_SECONDS) -> Any:
    """A client of the engine, which answers.

    Raises:
        MlopsError: ``no_engine``.
    """
    import docker

    with answering("answer", engine):
        client = docker.DockerClient(base_url=engine, timeout=seconds)
        client.ping()
        return client
