"""The engine of the target `docker`: which it is, and a client of it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci.errors import MlopsError
from ci.images.engine import DEFAULT_HOST, answering
from ci.images.ssh import SCHEME, reached

if TYPE_CHECKING:
    from ci.contract.deployment import DockerTarget

ANSWER_SECONDS = 120
BUILD_SECONDS = 1800
HERE = ("127.0.0.1", "localhost", "::1")


def engine_of(policy: DockerTarget) -> str:
    """The address of the engine: the policy's, else what DOCKER_HOST says, else Docker's own.

    Raises:
        MlopsError: ``far_engine`` where its containers could not be reached from here.
    """
    engine = policy.engine or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if not engine.startswith(("unix://", SCHEME)) and urlsplit(engine).hostname not in HERE:
        raise MlopsError(
            "far_engine",
            f"Containers of the engine {engine} could not be reached from here: write it as "
            "ssh://USER@MACHINE under docker.engine in policies/deployment.yaml.",
        )
    return engine


def require_engine(engine: str) -> None:
    """Make sure that the engine answers now.

    Raises:
        MlopsError: ``no_engine``.
    """
    with answering("answer", engine):
        client_of(engine).ping()


def client_of(engine: str, seconds: int = ANSWER_SECONDS) -> Any:
    """A client of the engine, which answers.

    Raises:
        MlopsError: ``no_engine``.
    """
    return client_at(reached(engine), seconds, engine)


@cache
def client_at(address: str, seconds: int, engine: str) -> Any:
    """A client of the engine that is reached at ``address``, as `client_of`."""
    import docker

    with answering("answer", engine):
        client = docker.DockerClient(base_url=address, timeout=seconds)
        client.ping()
        return client
