"""HAProxy before all models of this machine: one address, a path a model, switched at once."""

from __future__ import annotations

import html
import json
import os
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.busy import in_turn
from ci.console import say
from ci.errors import MlopsError
from ci.files import file_digest, read_json, write_json, write_whole
from ci.setup import haproxy
from ci.targets import maps, processes, tls
from ci.targets.http import ANSWER_SECONDS
from ci.targets.ports import HOST, is_free
from ci.targets.services import CANARY, LIVE, all_records, live_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.contract.deployment import LocalTarget
    from ci.repository import Repository
    from ci.targets.services import Record, Service

    Content = dict[str, dict[str, str]]

HERE = Path(__file__).resolve().parent
CONFIGURATION = HERE / "haproxy.cfg"
DOORMAN = "ci.targets.doorman"
ROUTES, PAGES = "routes.map", "pages.map"
LIST = "/models.json"
START_SECONDS = 10.0
LOOK_SECONDS = 0.02
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
    'content="width=device-width, initial-scale=1"><title>Models</title><style>body {{ font: 16px/'
    "1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem }}</style>"
    '<h1>Models</h1><ul>{models}</ul><p>For programs: <a href="models.json">models.json</a>.</html>'
)


@dataclass(frozen=True)
class Front:
    """The process that keeps HAProxy running, its port, and of what it was configured."""

    pid: int
    started: str
    port: int
    digest: str
    tls: str = ""


def folder_of(repository: Repository) -> Path:
    """Where the maps, the admin socket and the record of the process lie."""
    return repository.state_dir / "front"


def recorded(repository: Repository) -> Front | None:
    """The process that runs, or None."""
    found = read_json(folder_of(repository) / "process.json")
    front = Front(**found) if found else None
    return front if front and processes.is_running(front.pid, front.started) else None


def address(repository: Repository, name: str, policy: LocalTarget) -> str:
    """Where callers find model ``name``."""
    front = recorded(repository)
    return f"http://{HOST}:{front.port if front else policy.port}/{name}"


def require(repository: Repository, policy: LocalTarget) -> None:
    """Make sure that a version that is started now can be reached afterwards.

    Raises:
        MlopsError: ``no_haproxy``, ``no_tls`` or ``port_in_use``; nothing has changed.
    """
    if haproxy.find() is None:
        raise MlopsError("no_haproxy", haproxy.ADVICE)
    front = recorded(repository)
    wrong = None if front else tls.problem(repository, policy.tls)
    if wrong:
        raise MlopsError("no_tls", wrong)
    if not (front and front.port == policy.port) and not is_free(policy.port):
        raise MlopsError(
            "port_in_use",
            f"Port {policy.port} is used by another program, or by another clone of this "
            "repository; end that program, or change local.port in policies/deployment.yaml.",
        )


def apply(repository: Repository, policy: LocalTarget) -> None:
    """Have callers reach what the records say is live, at the policy's port.

    Raises:
        MlopsError: ``no_haproxy``, ``no_tls``, ``port_in_use`` or ``front_failed``.
    """
    with in_turn(repository, "switch"):
        require(repository, policy)
        content = _written(repository)
        front = recorded(repository)
        if front and _is_current(repository, front, policy):
            _replace(repository, content)
        else:
            _stop(repository)
            _start(repository, policy)


def _is_current(repository: Repository, front: Front, policy: LocalTarget) -> bool:
    """Whether HAProxy runs as the policy says, or better goes on as it does."""
    if (front.port, front.digest) != (policy.port, file_digest(CONFIGURATION)):
        return False
    if front.tls == tls.state(policy.tls):
        return True
    wrong = tls.problem(repository, policy.tls)
    if wrong:
        say(f"HAProxy goes on as it was started: {wrong}")
    return bool(wrong)


def withdraw(repository: Repository) -> None:
    """Have callers reach no more than what the records still say is live.

    Raises:
        MlopsError: ``front_failed``.
    """
    with in_turn(repository, "switch"):
        content = _written(repository)
        if not recorded(repository):
            return
        try:
            _replace(repository, content)
        except MlopsError:
            if content[ROUTES]:
                raise
            _stop(repository)  # nobody is to be reached: one that can't be told so has to end


def close(repository: Repository) -> None:
    """End HAProxy where nothing is live any more."""
    with in_turn(repository, "switch"):
        if not live_services(all_records(repository)):
            _stop(repository)


def await_answers(repository: Repository, services: Sequence[Service], seconds: float) -> None:
    """Until callers have what ``services``, withdrawn, were sent before; at most ``seconds``.

    A call may not have arrived yet: the proxy of an engine lies between, and may be late.
    """
    deadline, ports = time.monotonic() + seconds, {each.port for each in services}
    with suppress(OSError):  # without HAProxy, no caller waits
        while maps.under_way(folder_of(repository), ports) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def _written(repository: Repository) -> Content:
    """What the records ask for, written where HAProxy reads it at its next start."""
    records = all_records(repository)
    services = live_services(records)
    content = {ROUTES: _routes(records), PAGES: _pages(repository, services)}
    for name, entries in content.items():
        write_whole(folder_of(repository) / name, maps.text(entries))
    return content


def answers(port: int) -> bool:
    """Whether HAProxy answers callers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{LIST}", timeout=ANSWER_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def _replace(repository: Repository, content: Content) -> None:
    """Give the maps to the HAProxy that runs, or is just being started again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            for name, entries in content.items():
                maps.replace(folder_of(repository), name, entries)
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise _failed(repository, str(error)) from error
            time.sleep(0.05)


def _start(repository: Repository, policy: LocalTarget) -> None:
    folder, log = folder_of(repository), _log(repository)
    root, path = str(repository.root), f"{os.environ.get('PATH', '')}:{haproxy.FOLDERS}"
    command = [sys.executable, "-m", DOORMAN, root, str(policy.port), str(haproxy.find())]

    def note(pid: int, started: str) -> None:
        digest = file_digest(CONFIGURATION)
        front = Front(pid, started, policy.port, digest, tls.state(policy.tls))
        write_json(folder / "process.json", asdict(front))

    environment = {"PATH": path, **tls.variables(policy.tls)}
    pid, started = processes.start(command, environment, log, HERE.parents[1], note)
    deadline = time.monotonic() + START_SECONDS
    while not answers(policy.port):
        if not processes.is_running(pid, started) or time.monotonic() > deadline:
            processes.stop(pid, started)
            raise _failed(repository, "it does not answer")
        time.sleep(0.05)
    say(f"HAProxy answers at http://{HOST}:{policy.port}/ for all models.")
    if policy.tls:
        say(f"Other machines reach it over TLS at {policy.tls.address}, port {policy.tls.port}.")


def _stop(repository: Repository) -> None:
    front = recorded(repository)
    if front:
        processes.stop(front.pid, front.started)
    (folder_of(repository) / "process.json").unlink(missing_ok=True)


def _failed(repository: Repository, reason: str) -> MlopsError:
    log = _log(repository)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = " | ".join(line.strip() for line in lines[-3:])
    return MlopsError(
        "front_failed",
        f"HAProxy can't be brought to the new state: {reason}. The end of {log}: {tail}",
    )


def _log(repository: Repository) -> Path:
    return repository.state_dir / "logs" / "haproxy.log"


def _routes(records: Sequence[Record]) -> dict[str, str]:
    """Model → port, and with a canary its port and how many of 10,000 callers reach it."""
    routes = {}
    for live, record in [(each.of(LIVE), each) for each in records]:
        canary = record.of(CANARY)
        tried = f"|{canary.port}|{round(100 * canary.share)}" if canary else ""
        if live:
            routes[record.model] = f"{live.port}{tried}"
    return routes


def _pages(repository: Repository, services: Sequence[Service]) -> dict[str, str]:
    """The list of models that `/` shows to people, and the same for programs."""
    rows = [_about(repository, service) for service in services]
    items = "".join(
        f'<li><p><a href="{row["model"]}/">{row["model"]}</a>, version {row["version"]}, owned by '
        f"{html.escape(row['owner'])}<br>{html.escape(row['description'])}</p>"
        for row in rows
    )
    page = " ".join(PAGE.format(models=items).split())
    return {"/": page, LIST: json.dumps({"models": rows})}


def _about(repository: Repository, service: Service) -> dict[str, Any]:
    from bentos.bundle import CONTRACT_FILE
    from ci.targets.launch import bento_folder

    path = bento_folder(repository, service.bento) / "src" / CONTRACT_FILE
    contract = read_json(path) or {}
    return {
        "model": service.model,
        "version": service.version,
        "owner": contract.get("owner", ""),
        "description": contract.get("description", ""),
        "path": f"/{service.model}/predict",
    }
