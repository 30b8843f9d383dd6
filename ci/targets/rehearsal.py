"""A Bento started on this machine, held over HTTP to what callers rely on, and stopped again."""

from __future__ import annotations

import math
import shutil
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import write_json
from ci.targets import processes
from ci.targets.http import post
from ci.targets.launch import Processes, bento_folder, process_home
from ci.targets.ports import HOST, any_free
from ci.targets.readiness import end_of, probe, wait_until_ready
from ci.targets.services import Service
from ci.telemetry import OFF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.contract.deployment import LocalTarget
    from ci.contract.model import ModelContract
    from ci.repository import Repository

    Row = dict[str, Any]

TOLERANCE = 1e-9
VERSION = 0  # no version has it: this is none yet
STRANGER = "a_column_that_no_contract_has"


@dataclass(frozen=True)
class Rehearsed:
    """What was seen: rows asked one by one, and the slowest and the median answer in seconds."""

    rows: int
    median_seconds: float
    slowest_seconds: float


def rehearse(
    repository: Repository,
    contract: ModelContract,
    bento: str,
    rows: Sequence[Row],
    policy: LocalTarget,
) -> Rehearsed:
    """Serve the Bento ``bento`` (name:fingerprint) of the store for as long as it is asked.

    It must answer the contract's example, answer ``rows`` alone as it does together, refuse a row
    that breaks the contract naming the column, and answer again after that.

    Raises:
        MlopsError: ``start_failed`` or ``probe_failed``; nothing runs afterwards.
    """
    service, log = _draft(contract.name, bento), repository.state_dir / "logs" / "rehearsal.log"
    home = process_home(repository, contract.name, service.port)
    service = _start(repository, service, log)
    try:
        seconds = policy.start_timeout_seconds
        wait_until_ready(service, seconds, Processes().runs, lambda: end_of(log))
        probe(service, contract.example_row())
        seen = _ask(service, rows)
        _refuses(service, contract)
        probe(service, contract.example_row())
        return seen
    finally:
        processes.stop(service.pid, service.started)
        shutil.rmtree(home, ignore_errors=True)


def _draft(name: str, bento: str) -> Service:
    port, fingerprint = any_free(), bento.partition(":")[2]
    url = f"http://{HOST}:{port}"
    return Service(name, VERSION, bento, fingerprint, url, port, 0, "", "")


def _start(repository: Repository, draft: Service, log: Any) -> Service:
    from dataclasses import replace

    from bentos.serve import serve_command, serve_environment

    folder = bento_folder(repository, draft.bento)
    home = process_home(repository, draft.model, draft.port)
    about = {"model": draft.model, "version": VERSION, "fingerprint": draft.fingerprint}
    release = home.with_suffix(".json")
    write_json(release, {**about, "bento": draft.bento})
    environment = {**OFF, **serve_environment(release, home)}
    pid, started = processes.start(serve_command(folder, draft.port), environment, log, folder)
    return replace(draft, pid=pid, started=started)


def _ask(service: Service, rows: Sequence[Row]) -> Rehearsed:
    many = _answers(service, rows)
    seconds = []
    for number, row in enumerate(rows):
        begin = time.monotonic()
        single = _answers(service, [row])[0]
        seconds.append(time.monotonic() - begin)
        if not _same(single, many[number]):
            raise _failed(
                service,
                f"answers row {number + 1} of the holdout with {single} alone and with "
                f"{many[number]} among others",
            )
    return Rehearsed(len(rows), statistics.median(seconds), max(seconds))


def _answers(service: Service, rows: Sequence[Row]) -> list[Any]:
    status, answer = post(service.url, {"rows": list(rows)})
    found = answer.get("predictions", [])
    if status != 200 or len(found) != len(rows):
        message = answer.get("error", {}).get("message", "no message")
        raise _failed(service, f"answered {len(rows)} rows of the holdout with {status}: {message}")
    return list(found)


def _refuses(service: Service, contract: ModelContract) -> None:
    """A caller's mistake must be named, and not be answered as if it were none."""
    row = {**contract.example_row(), STRANGER: 1}
    status, answer = post(service.url, {"rows": [row]})
    if not 400 <= status < 500 or STRANGER not in str(answer):
        raise _failed(service, f"answered a row with an unknown column with {status}")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def _failed(service: Service, what: str) -> MlopsError:
    return MlopsError(
        "probe_failed", f"{service.model} on staging {what}; nothing that is released has changed."
    )
