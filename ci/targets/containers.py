"""The target `docker`: a live version is a container of a Docker or podman engine.

A container runs the model's own image, by its digest, as a user without rights on a root that is
read-only. Its volume holds which version it is and the keys of callers; what it records, it writes
to a folder of its own here.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import write_json
from ci.images.engine import answering
from ci.images.ssh import is_far, keep_port
from ci.targets import processes
from ci.targets.carried import carry, carry_printed, forget, lay_records
from ci.targets.engine import BUILD_SECONDS, client_of
from ci.targets.given import (
    ACCESS,
    MODEL_LABEL,
    PLACE_LABEL,
    STATE,
    files,
    packed,
    place_of,
    rules,
)
from ci.targets.http import is_ready
from ci.targets.image import bring_image, find_image, require_own
from ci.targets.launch import drain_seconds, log_path, note_started, release_path
from ci.targets.ports import free_port
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
    """The containers of one engine, of whose machine ports are published, for itself alone.

    From another machine `ssh` brings a port here, as a process beside each container.
    """

    def __init__(self, engine: str) -> None:
        self._engine, self._is_far = engine, is_far(engine)

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
        service = self._noted(repository, version, port, name)
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
        if self._is_far and not processes.is_running(service.pid, service.started):
            return False
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
                    container.stop(
                        timeout=round(drain_seconds(repository, service) + processes.STOP_SECONDS)
                    )
                    carry_printed(repository, service, container)
                    if self._is_far:
                        lay_records(repository, service, container)
                    container.remove(force=True)
            with suppress(NotFound):
                client.volumes.get(service.container).remove()
        processes.stop(service.pid, service.started)
        carry(repository, service)
        forget(repository, service)

    def bring_records(self, repository: Repository, service: Service) -> None:
        """As `Target.bring_records`."""
        container = self._found(service)
        if not self._is_far:
            carry(repository, service)
        elif container and container.status == "running":
            with answering(f"read what {service.container} recorded", self._engine):
                carry(repository, service, container)
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
        labels = [f"{PLACE_LABEL}={place_of(repository, self._engine)}", f"{MODEL_LABEL}={name}"]
        with answering("look for containers", self._engine):
            found = client_of(self._engine).containers.list(all=True, filters={"label": labels})
            for container in found:
                if container.name not in known:
                    container.stop(timeout=round(processes.STOP_SECONDS))
                    container.remove(force=True, v=True)

    def _noted(self, repository: Repository, version: Version, port: int, name: str) -> Service:
        """The service, in its model's record before anything of it is there."""
        known = {"container": name, "engine": self._engine}
        if not self._is_far:
            return note_started(repository, version, port, **known)
        noted: list[Service] = []

        def note(pid: int, started: str) -> None:
            noted.append(note_started(repository, version, port, pid=pid, started=started, **known))

        command, log = keep_port(self._engine, port), log_path(repository, version.model)
        processes.start(command, dict(os.environ), log, repository.state_dir, note)
        return noted[0]

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
