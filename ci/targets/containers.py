"""The target `docker`: a live version is a container of a Docker or podman engine.

A container runs the model's own image, by its digest, as a user without rights on a root that is
read-only. Its volume holds which version it is and the keys of callers; what it records, it writes
to a folder of its own here.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import write_json
from ci.images.engine import answering
from ci.targets.carried import carry, carry_printed, forget
from ci.targets.engine import BUILD_SECONDS, client_of
from ci.targets.given import (
    ACCESS,
    MODEL_LABEL,
    PLACE_LABEL,
    STATE,
    files,
    packed,
    rules,
)
from ci.targets.http import is_ready
from ci.targets.image import bring_image, find_image, require_own
from ci.targets.launch import drain_seconds, log_path, note_started, release_path
from ci.targets.ports import free_port
from ci.targets.processes import STOP_SECONDS
from ci.targets.readiness import end_of, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ci.contract.deployment import DeploymentPolicy
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service

UP = ("running", "restarting")


class Containers:
    """The containers of one engine of this machine, whose ports are published here."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def has(self, service: Service) -> bool:
        """As `Target.has`."""
        return bool(service.container) and service.engine == self._engine

    def prepare(self, repository: Repository, version: Version) -> None:
        """As `Target.prepare`: an image.

        Raises:
            MlopsError: ``no_engine``, ``engine_refused``, or as `bring_image`.
        """
        bring_image(self._engine, client_of(self._engine, BUILD_SECONDS), repository, version)

    def start(self, repository: Repository, version: Version, policy: DeploymentPolicy) -> Service:
        """As `Target.start`.

        Raises:
            MlopsError: ``no_engine``, ``engine_refused``, ``other_image``, ``no_port`` or
                ``start_failed``.
        """
        client = client_of(self._engine)
        write_json(release_path(repository, version.model, version.version), asdict(version))
        port = free_port(repository, policy.local)
        name = f"mlops-{version.model}-{version.version}-{secrets.token_hex(4)}"
        service = note_started(repository, version, port, container=name, engine=self._engine)
        image = find_image(self._engine, client, version)
        with answering(f"start {name}", self._engine):
            client.volumes.create(name)
            container = client.containers.create(image, name=name, **rules(repository, service))
            container.put_archive(STATE, files(repository, version))
            require_own(container, version)
            container.start()
        wait_until_ready(
            service,
            policy.local.start_timeout_seconds,
            self._is_first_start,
            lambda: self._printed(repository, service),
        )
        return service

    def runs(self, service: Service) -> bool:
        """As `Target.runs`; where the engine does not answer, whether the service itself does."""
        try:
            found = self._found(service)
        except MlopsError:
            return is_ready(service.url)
        return found is not None and found.status in UP

    def end(self, repository: Repository, service: Service) -> None:
        """As `Target.end`.

        Raises:
            MlopsError: ``no_engine`` or ``engine_refused``.
        """
        from docker.errors import NotFound

        client, container = client_of(self._engine), self._found(service)
        with answering(f"end {service.container}", self._engine):
            with suppress(NotFound):  # somebody removed it meanwhile
                if container:
                    container.stop(timeout=round(drain_seconds(repository, service) + STOP_SECONDS))
                    carry_printed(repository, service, container)
                    container.remove(force=True)
            with suppress(NotFound):
                client.volumes.get(service.container).remove()
        carry(repository, service)
        forget(repository, service)

    def bring_records(self, repository: Repository, service: Service) -> None:
        """As `Target.bring_records`."""
        carry(repository, service)
        container = self._found(service)
        if container:
            with answering(f"read what {service.container} printed", self._engine):
                carry_printed(repository, service, container)

    def give_keys(self, service: Service, access: Path) -> None:
        """Have a container use ``access`` as the file with the keys of callers.

        Raises:
            MlopsError: ``no_engine`` or ``engine_refused``.
        """
        container = self._found(service)
        if container:
            with answering(f"give keys to {service.container}", self._engine):
                container.put_archive(STATE, packed({ACCESS: access.read_bytes()}))

    def end_strays(self, repository: Repository, name: str, known: Collection[str]) -> None:
        """Remove the containers of model ``name`` that this checkout started and does not know.

        Raises:
            MlopsError: ``no_engine`` or ``engine_refused``.
        """
        labels = [f"{PLACE_LABEL}={repository.root}", f"{MODEL_LABEL}={name}"]
        with answering("look for containers", self._engine):
            found = client_of(self._engine).containers.list(all=True, filters={"label": labels})
            for container in found:
                if container.name not in known:
                    container.stop(timeout=round(STOP_SECONDS))
                    container.remove(force=True, v=True)

    def _found(self, service: Service) -> Any | None:
        """The container of ``service`` as it is now, or None."""
        from docker.errors import NotFound

        with answering("look for a container", self._engine):
            try:
                return client_of(self._engine).containers.get(service.container)
            except NotFound:
                return None

    def _printed(self, repository: Repository, service: Service) -> str:
        """The end of what it printed, in a sentence."""
        self.bring_records(repository, service)
        return end_of(log_path(repository, service.model))

    def _is_first_start(self, service: Service) -> bool:
        """Whether it has not ended yet: the engine would start it again and again."""
        container = self._found(service)
        if container is None:
            return False
        return container.status == "running" and not container.attrs.get("RestartCount")
