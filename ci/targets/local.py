"""The target `local`: a deployed version is a process on this machine, on 127.0.0.1."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.targets import processes
from ci.targets.http import is_ready, post, refusal, served
from ci.targets.ports import HOST, any_free, is_free, port_of
from ci.targets.turn import one_switch_at_a_time
from ci.telemetry import OFF

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.deployment import LocalTarget
    from ci.registry.versions import Version
    from ci.repository import Repository

ENVIRONMENT = "production"
TAIL_LINES = 3


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
        draft = _draft(version, _require_port(repository, version.model, before, policy))
        write_json(release_path(repository, version.model, version.version), asdict(version))
        _rehearse(repository, draft, example, policy)
        return _replace(repository, before, draft, policy)


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
    repository: Repository, before: Service | None, draft: Service, policy: LocalTarget
) -> Service:
    """Serve ``draft`` where ``before`` ran; bring ``before`` back should that fail."""
    if before:
        processes.stop(before.pid, before.started)
    try:
        service = _launch(repository, draft, policy)
    except MlopsError:
        if before:
            _remember(repository, _launch(repository, before, policy))
        raise
    _remember(repository, service)
    return service


def _running(repository: Repository, name: str) -> Service | None:
    service = recorded(repository, name)
    return service if service and processes.is_running(service.pid, service.started) else None


def _remember(repository: Repository, service: Service) -> None:
    write_json(record_path(repository, service.model), asdict(service))
    _starting_path(repository, service.model).unlink(missing_ok=True)


def _starting_path(repository: Repository, name: str) -> Path:
    """Which process is being started, so that a command that is cut off leaves no stranger."""
    return record_path(repository, name).with_suffix(".starting")


def _end_abandoned(repository: Repository, name: str) -> bool:
    """End what a deployment was starting when it was cut off; False where there is nothing."""
    path = _starting_path(repository, name)
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
    processes.stop(service.pid, service.started)
    return True


def _rehearse(
    repository: Repository, draft: Service, example: dict[str, Any], policy: LocalTarget
) -> None:
    service = _launch(repository, _at_port(draft, any_free()), policy)
    try:
        _probe(service, example)
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


def _launch(repository: Repository, draft: Service, policy: LocalTarget) -> Service:
    """Start the process of ``draft`` and wait until it is ready."""
    from bentos.serve import serve_command, serve_environment

    folder = bento_folder(repository, draft.bento)
    release = release_path(repository, draft.model, draft.version)
    log = repository.state_dir / "logs" / f"serve-{draft.model}.log"
    home = process_home(repository, draft.model, draft.port)
    environment = {**OFF, **serve_environment(release, home)}
    command = serve_command(folder, draft.port)
    pid, started = processes.start(command, environment, log, folder)
    service = replace(draft, pid=pid, started=started)
    write_json(_starting_path(repository, draft.model), {"pid": pid, "started": started})
    try:
        _wait_until_ready(service, log, policy.start_timeout_seconds)
    except MlopsError:
        _end_abandoned(repository, draft.model)
        raise
    return service


def release_path(repository: Repository, name: str, version: int) -> Path:
    """The file from which a service reads which version it is."""
    return repository.state_dir / "releases" / name / f"{version}.json"


def process_home(repository: Repository, name: str, port: int) -> Path:
    """The BENTOML_HOME of one process: BentoML empties its metrics there at the start."""
    return repository.state_dir / "run" / f"{name}-{port}"


def bento_folder(repository: Repository, bento: str) -> Path:
    """The folder of the Bento ``name:version`` in the repository's store."""
    name, _, version = bento.partition(":")
    return repository.state_dir / "bentoml" / "bentos" / name / version


def _wait_until_ready(service: Service, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        problem = refusal(service.url)
        if problem == "":
            return _require_own(service, log)
        if problem:
            raise MlopsError("start_failed", _start_failed(service, log, f"can't serve: {problem}"))
        if not processes.is_running(service.pid, service.started):
            raise MlopsError("start_failed", _start_failed(service, log, "ended at its start"))
        time.sleep(0.1)
    reason = f"was not ready after {seconds:g} s"
    raise MlopsError("start_failed", _start_failed(service, log, reason))


def _require_own(service: Service, log: Path) -> None:
    """Make sure that it is this version that answers, and no other program on the port."""
    found = served(service.url)
    if found != (service.model, service.version):
        raise MlopsError(
            "start_failed",
            _start_failed(service, log, f"started, but {found or 'something else'} answers"),
        )


def _start_failed(service: Service, log: Path, reason: str) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = " | ".join(line.strip() for line in lines[-TAIL_LINES:])
    return (
        f"Version {service.version} of {service.model} {reason}; nothing was switched. "
        f"The end of {log}: {tail}"
    )


def _probe(service: Service, example: dict[str, Any]) -> None:
    """Ask for one prediction; a service that is ready but can't answer is not released."""
    status, answer = post(service.url, {"rows": [example]})
    if status != 200 or len(answer.get("predictions", [])) != 1:
        message = answer.get("error", {}).get("message", "no message")
        raise MlopsError(
            "probe_failed",
            f"Version {service.version} of {service.model} started but answered the contract's "
            f"example with {status}: {message}; nothing was switched.",
        )
