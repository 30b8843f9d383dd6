"""`mlops logs`: what a model's service on this machine printed, and the calls that it answered."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from bentos.logs import older
from bentos.records import ACCESS_FILE, PREDICTIONS_FILE
from ci.errors import MlopsError
from ci.observe.recorded import Tail, lines_backwards, newest, of_request, parsed
from ci.targets.launch import log_path, records_dir
from ci.targets.local import known_models
from ci.targets.target import bring_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.repository import Repository

LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Logs:
    """Newest last: printed lines, access records, and what was asked and predicted."""

    output: list[str]
    requests: list[dict[str, Any]]
    predictions: list[dict[str, Any]]


def last(repository: Repository, name: str, lines: int) -> Logs:
    """The last ``lines`` lines that the service of ``name`` printed, and as many calls.

    Raises:
        MlopsError: ``unknown_model`` or ``no_logs``.
    """
    log, folder = _places(repository, name)
    kept = [path for path in (log, older(log)) if path.is_file()]
    printed = islice(chain.from_iterable(map(lines_backwards, kept)), lines)
    calls = islice(newest(folder, ACCESS_FILE), lines)
    return Logs([_text(line) for line in printed][::-1], list(calls)[::-1], [])


def of_id(repository: Repository, name: str, request_id: str) -> Logs:
    """All that is kept of one request.

    Raises:
        MlopsError: ``unknown_model``, ``no_logs`` or ``unknown_request``.
    """
    log, folder = _places(repository, name)
    requests, predictions = (
        of_request(folder, kind, request_id) for kind in (ACCESS_FILE, PREDICTIONS_FILE)
    )
    if not requests and not predictions:
        shown = repository.relative(folder)
        raise MlopsError(
            "unknown_request",
            f"No request {request_id!r} of {name} is in {shown}; it is in the answer's header "
            "X-Request-ID, and the oldest files are deleted when there are many.",
        )
    return Logs(_lines_with(log, request_id), requests, predictions)


def follow(repository: Repository, name: str, lines: int) -> Iterator[str]:
    """The last lines as `last` has them, then each further one as it comes, without an end.

    Raises:
        MlopsError: as `last`.
    """
    log, folder = _places(repository, name)
    tails = [Tail(log), Tail(folder / ACCESS_FILE)]
    found = last(repository, name, lines)
    yield from found.output
    yield from map(shown, found.requests)
    while True:
        bring_records(repository, name)
        yield from map(_text, tails[0].fresh())
        records = map(parsed, tails[1].fresh())
        yield from (shown(record) for record in records if record)
        time.sleep(LOOK_SECONDS)


def shown(record: dict[str, Any]) -> str:
    """An access record as a line for people."""
    parts = [
        record["time"],
        record["status"],
        record["method"],
        record["path"],
        f"rows={record['rows']}",
        f"{record['ms']:.1f} ms",
        f"version={record['version']}",
        record["caller"],
        record["code"],
        record["request_id"],
    ]
    return "  ".join(str(part) for part in parts if part != "")


def _places(repository: Repository, name: str) -> tuple[Path, Path]:
    """The log and the folder of records; refuses a model that never ran here."""
    if name not in known_models(repository):
        repository.model_dir(name)
    bring_records(repository, name)
    log, folder = log_path(repository, name), records_dir(repository, name)
    if not log.is_file() and not folder.is_dir():
        raise MlopsError("no_logs", f"{name} has never been served here; type: mlops deploy {name}")
    return log, folder


def _lines_with(log: Path, text: str) -> list[str]:
    wanted, found = text.encode(), deque[str](maxlen=1000)
    for path in (older(log), log):
        if path.is_file():
            with path.open("rb") as file:
                found.extend(_text(line) for line in file if wanted in line)
    return list(found)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip()
