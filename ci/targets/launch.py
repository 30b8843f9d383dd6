"""Processes that serve versions: started and ended; and where the files of any target lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bentos.bundle import CONTRACT_FILE
from ci.files import write_json
from ci.keys import take_over_policy
from ci.targets import processes
from ci.targets.ports import HOST, free_port
from ci.targets.readiness import end_of, wait_until_ready
from ci.targets.services import Service, read_record, write_record
from ci.telemetry import OFF
from ci.toolchain import require

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import DeploymentPolicy
    from ci.registry.versions import Version
    from ci.repository import Repository


class Processes:
    """The target `local`: processes on this machine."""

    def has(self, service: Service) -> bool:
        """As `Target.has`."""
        return not service.container

    def prepare(self, repository: Repository, version: Version) -> None:
        """As `Target.prepare`: the language of the model.

        Raises:
            MlopsError: as `require`.
        """
        path = bento_folder(repository, version.bento) / "src" / CONTRACT_FILE
        require(json.loads(path.read_text(encoding="utf-8"))["language"])

    def start(self, repository: Repository, version: Version, policy: DeploymentPolicy) -> Service:
        """As `Target.start`.

        Raises:
            MlopsError: ``no_port`` or ``start_failed``.
        """
        from bentos.serve import serve_command, serve_environment

        port = free_port(repository, policy.local)
        release = release_path(repository, version.model, version.version)
        write_json(release, asdict(version))
        folder = bento_folder(repository, version.bento)
        log = log_path(repository, version.model)
        environment = serve_environment(
            release,
            process_home(repository, version.model, port),
            records_dir(repository, version.model),
            take_over_policy(repository),
        )
        noted: list[Service] = []

        def note(pid: int, started: str) -> None:
            noted.append(note_started(repository, version, port, pid=pid, started=started))

        processes.start(serve_command(folder, port), {**OFF, **environment}, log, folder, note)
        [service] = noted
        seconds = policy.local.start_timeout_seconds
        wait_until_ready(service, seconds, self.runs, lambda: end_of(log))
        return service

    def runs(self, service: Service) -> bool:
        """As `Target.runs`."""
        return processes.is_running(service.pid, service.started)

    def end(self, repository: Repository, service: Service) -> None:
        """As `Target.end`; what it has begun may take as long as the contract lets it."""
        if not self.runs(service):  # its port may be another's by now
            return
        answering = drain_seconds(repository, service)
        processes.stop(service.pid, service.started, answering + processes.STOP_SECONDS)
        shutil.rmtree(process_home(repository, service.model, service.port), ignore_errors=True)

    def bring_records(self, repository: Repository, service: Service) -> None:
        """As `Target.bring_records`: a process writes them there itself."""


def note_started(repository: Repository, version: Version, port: int, **known: Any) -> Service:
    """The service that ``version`` is about to have, in its model's record as starting.

    ``known`` is what its target knows it by; without a ``url`` it is on this machine.
    """
    service = Service(
        **{
            "model": version.model,
            "version": version.version,
            "bento": version.bento,
            "fingerprint": version.fingerprint,
            "url": f"http://{HOST}:{port}",
            "port": port,
            "pid": 0,
            "started": "",
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            **known,
        }
    )
    record = read_record(repository, version.model)
    write_record(repository, replace(record, services=(*record.services, service)))
    return service


def drain_seconds(repository: Repository, service: Service) -> int:
    """How long ``service`` may take to answer what it has begun, once told to end."""
    from bentos import serve

    folder = bento_folder(repository, service.bento)
    return serve.drain_seconds(folder) if folder.is_dir() else 0


def release_path(repository: Repository, name: str, version: int) -> Path:
    """The file from which a service reads which version it is."""
    return repository.state_dir / "releases" / name / f"{version}.json"


def log_path(repository: Repository, name: str) -> Path:
    """What the services of ``name`` and their processes print."""
    return repository.state_dir / "logs" / f"serve-{name}.log"


def records_dir(repository: Repository, name: str) -> Path:
    """Where the services of ``name`` leave access records and predictions, as JSON lines."""
    return repository.state_dir / "records" / name


def process_home(repository: Repository, name: str, port: int) -> Path:
    """The BENTOML_HOME of one process: BentoML empties its metrics there at the start."""
    return repository.state_dir / "run" / f"{name}-{port}"


def bento_folder(repository: Repository, bento: str) -> Path:
    """The folder of the Bento ``name:version`` in the repository's store."""
    name, _, version = bento.partition(":")
    return repository.state_dir / "bentoml" / "bentos" / name / version
