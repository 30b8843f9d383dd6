"""The target `local`: a deployed version is a process on this machine, on 127.0.0.1."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.keys import own_key, take_over_policy
from ci.targets import processes
from ci.targets.http import is_ready
from ci.targets.ports import HOST, any_free, is_free, port_of
from ci.targets.readiness import probe, wait_until_ready
from ci.targets.turn import one_switch_at_a_time
from ci.telemetry import OFF

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import LocalTarget
    from ci.registry.versions import Version
    from ci.repository import Repository

ENVIRONMENT = "production"


@dataclass(frozen=True)
class Service:
    """A process that serves a version; ``started`` tells it from others with the same pid."""

    model: str
    version: int
    bento: str
    fingerprint: str
    url: str
    port: int
    pid: int
    started: str
    since: str


def record_path(repository: Repository, name: str) -> Path:
    """Where the local target remembers what it runs for model ``name``."""
    return repository.state_dir / "live" / f"{name}.json"


def recorded(repository: Repository, name: str) -> Service | None:
    """The service that was started last for ``name``, running or not."""
    record = read_json(record_path(repository, name))
    return Service(**record) if record else None


def all_recorded(repository: Repository) -> list[Service]:
    """Every service that the target remembers, by model."""
    paths = sorted((repository.state_dir / "live").glob("*.json"))
    names = [path.stem for path in paths if path.stem != "ports"]
    return [service for name in names if (service := recorded(repository, name))]


def known_models(repository: Repository) -> list[str]:
    """Models of which something runs, ran, or was being started."""
    folder = repository.state_dir / "live"
    paths = [*folder.glob("*.json"), *folder.glob("*.starting")]
    return sorted({path.stem for path in paths} - {"ports"})


def state(service: Service) -> str:
    """``running``, ``not ready`` or ``stopped``."""
    if not processes.is_running(service.pid, service.started):
        return "stopped"
    return "running" if is_ready(service.url) else "not ready"


def switch(
    repository: Repository, version: Version, example: dict[str, Any], policy: LocalTarget
) -> Service:
    """Serve ``version`` on its model's port; what ran there before goes only when it can.

    The version is started and asked on a port of its own first. Should it fail there, nothing
    has changed; should it fail on the model's port, the version before is started again.

    Raises:
        MlopsError: ``busy``, ``no_port``, ``port_in_use``, ``start_failed`` or ``probe_failed``.
    """
    with one_switch_at_a_time(policy.start_timeout_seconds):
        _end_abandoned(repository, version.model)
        before = _running(repository, version.model)
        draft = _prepare(repository, version, before, policy)
        _rehearse(repository, draft, example, policy)
        return _replace(repository, before, draft, example, policy)


def resume(
    repository: Repository, version: Version, example: dict[str, Any], policy: LocalTarget
) -> Service:
    """Serve ``version``, which was live before, without rehearsing it, which saves half the time.

    Nothing is done where it runs already. Should it fail, the version before is started again.

    Raises:
        MlopsError: as ``switch``.
    """
    with one_switch_at_a_time(policy.start_timeout_seconds):
        _end_abandoned(repository, version.model)
        before = _running(repository, version.model)
        if before and before.version == version.version and state(before) == "running":
            return before
        draft = _prepare(repository, version, before, policy)
        return _replace(repository, before, draft, example, policy)


def _prepare(
    repository: Repository, version: Version, before: Service | None, policy: LocalTarget
) -> Service:
    draft = _draft(version, _require_port(repository, version.model, before, policy))
    write_json(release_path(repository, version.model, version.version), asdict(version))
    return draft


def _require_port(
    repository: Repository, name: str, before: Service | None, policy: LocalTarget
) -> int:
    port = port_of(repository, name, policy)
    if not (before and before.port == port) and not is_free(port):
        raise MlopsError(
            "port_in_use",
            f"Port {port} of {name} is used by another program; end that program, or "
            "change local.first_port in policies/deployment.yaml.",
        )
    return port


def _replace(
    repository: Repository,
    before: Service | None,
    draft: Service,
    example: dict[str, Any],
    policy: LocalTarget,
) -> Service:
    """Serve ``draft`` where ``before`` ran; bring ``before`` back should that fail."""
    if before:
        _end(repository, before)
    try:
        service = _launch(repository, draft, policy)
        with own_key(repository, draft.model) as key:
            probe(service, example, key)
    except MlopsError:
        _end_abandoned(repository, draft.model)
        if before:
            _remember(repository, _launch(repository, before, policy))
        raise
    _remember(repository, service)
    return service


def _end(repository: Repository, service: Service) -> None:
    """End ``service`` once it has answered what it has begun, for which it may need its limit."""
    from bentos.serve import drain_seconds

    folder = bento_folder(repository, service.bento)
    answering = drain_seconds(folder) if folder.is_dir() else 0
    processes.stop(service.pid, service.started, answering + processes.STOP_SECONDS)


def _running(repository: Repository, name: str) -> Service | None:
    service = recorded(repository, name)
    return service if service and processes.is_running(service.pid, service.started) else None


def _remember(repository: Repository, service: Service) -> None:
    write_json(record_path(repository, service.model), asdict(service))
    starting_path(repository, service.model).unlink(missing_ok=True)


def starting_path(repository: Repository, name: str) -> Path:
    """Which process is being started, so that a command that is cut off leaves no stranger."""
    return record_path(repository, name).with_suffix(".starting")


def _end_abandoned(repository: Repository, name: str) -> bool:
    """End what a deployment was starting when it was cut off; False where there is nothing."""
    path = starting_path(repository, name)
    record = read_json(path)
    alive = record is not None and processes.is_running(record["pid"], record["started"])
    if record is not None:
        processes.stop(record["pid"], record["started"])
    path.unlink(missing_ok=True)
    return alive


def stop(repository: Repository, name: str) -> bool:
    """End the service of ``name`` and its children; False where none was running."""
    abandoned = _end_abandoned(repository, name)
    service = _running(repository, name)
    if service is None:
        return abandoned
    _end(repository, service)
    return True


def _rehearse(
    repository: Repository, draft: Service, example: dict[str, Any], policy: LocalTarget
) -> None:
    service = _launch(repository, _at_port(draft, any_free()), policy, rehearsal=True)
    try:
        probe(service, example)
    finally:
        _end_abandoned(repository, service.model)
        shutil.rmtree(process_home(repository, service.model, service.port), ignore_errors=True)


def _draft(version: Version, port: int) -> Service:
    """The service of ``version`` before it has a process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    draft = Service(
        version.model, version.version, version.bento, version.fingerprint, "", 0, 0, "", since
    )
    return _at_port(draft, port)


def _at_port(service: Service, port: int) -> Service:
    return replace(service, port=port, url=f"http://{HOST}:{port}")


def _launch(
    repository: Repository, draft: Service, policy: LocalTarget, *, rehearsal: bool = False
) -> Service:
    """Start the process of ``draft`` and wait until it is ready.

    In a rehearsal, which only we call, no key is needed and nothing is recorded.
    """
    from bentos.serve import serve_command, serve_environment

    folder = bento_folder(repository, draft.bento)
    release = release_path(repository, draft.model, draft.version)
    log = log_path(repository, draft.model)
    home = process_home(repository, draft.model, draft.port)
    records = None if rehearsal else records_dir(repository, draft.model)
    access = None if rehearsal else take_over_policy(repository)
    environment = {**OFF, **serve_environment(release, home, records, access)}
    command = serve_command(folder, draft.port)
    pid, started = processes.start(command, environment, log, folder)
    service = replace(draft, pid=pid, started=started)
    write_json(starting_path(repository, draft.model), {"pid": pid, "started": started})
    try:
        wait_until_ready(service, log, policy.start_timeout_seconds)
    except MlopsError:
        _end_abandoned(repository, draft.model)
        raise
    return service


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
