"""One process that serves a version: how it is started and ended, and where its files lie."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.files import write_json
from ci.keys import take_over_policy
from ci.targets import processes
from ci.targets.ports import HOST, free_port
from ci.targets.readiness import wait_until_ready
from ci.targets.services import Service, read_record, write_record
from ci.telemetry import OFF

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import LocalTarget
    from ci.registry.versions import Version
    from ci.repository import Repository


def launch(repository: Repository, version: Version, policy: LocalTarget) -> Service:
    """Start a process of ``version``, take it down as starting, and wait until it is ready.

    Raises:
        MlopsError: ``no_port``, or ``start_failed``: what was started is for the caller to end.
    """
    from bentos.serve import serve_command, serve_environment

    port = free_port(policy)
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
    draft = _draft(version, port)
    service = draft

    def note(pid: int, started: str) -> None:
        nonlocal service
        service = replace(draft, pid=pid, started=started)
        record = read_record(repository, version.model)
        write_record(repository, replace(record, services=(*record.services, service)))

    processes.start(serve_command(folder, port), {**OFF, **environment}, log, folder, note)
    wait_until_ready(service, log, policy.start_timeout_seconds)
    return service


def _draft(version: Version, port: int) -> Service:
    """The service of ``version`` before it has a process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Service(
        version.model,
        version.version,
        version.bento,
        version.fingerprint,
        f"http://{HOST}:{port}",
        port,
        0,
        "",
        since,
    )


def end(repository: Repository, service: Service) -> None:
    """End ``service`` once it has answered what it has begun, for which it may need its limit."""
    from bentos.serve import drain_seconds

    folder = bento_folder(repository, service.bento)
    answering = drain_seconds(folder) if folder.is_dir() else 0
    processes.stop(service.pid, service.started, answering + processes.STOP_SECONDS)
    shutil.rmtree(process_home(repository, service.model, service.port), ignore_errors=True)


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
