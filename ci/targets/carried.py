"""What a container records and prints, carried over to where that of all services lies.

It has a folder of its own for records, since its user is another than that of processes, who could
not write to the same files. How much is carried over already stands beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bentos.logs import trim
from bentos.records import ACCESS_FILE, PREDICTIONS_FILE, make_room
from ci.files import read_json, write_json
from ci.observe.recorded import kept_files
from ci.targets.launch import log_path, records_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci.repository import Repository
    from ci.targets.services import Service

KNOWN_FILES = 64  # more than a service keeps
PRIVATE, ANYBODY = 0o700, 0o777


def own_folder(repository: Repository, service: Service) -> Path:
    """Where the container of ``service`` writes, whatever user it is there; nobody else gets in."""
    folder = _folder(repository, service)
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(PRIVATE)
    folder.chmod(ANYBODY)
    return folder


def carry(repository: Repository, service: Service) -> None:
    """Bring what is new."""
    folder = _folder(repository, service)
    places = folder.with_suffix(".json")
    with _turn(repository, service.model):
        for kind in (ACCESS_FILE, PREDICTIONS_FILE):
            known: dict[str, int] = read_json(places) or {}
            for identity, place, data in _fresh(folder, kind, known):
                _append(records_dir(repository, service.model) / kind, data)
                known = {**{k: v for k, v in known.items() if k != identity}, identity: place}
                write_json(places, dict(list(known.items())[-KNOWN_FILES:]))


def carry_printed(repository: Repository, service: Service, container: Any) -> None:
    """Bring what ``container`` printed since the last time; its engine keeps a small file of it."""
    path = _folder(repository, service).with_suffix(".printed.json")
    with _turn(repository, service.model):
        before = (read_json(path) or {"bytes": 0})["bytes"]
        text = container.logs()
        begin = before if before <= len(text) else 0  # the engine began a new file
        end = text.rfind(b"\n") + 1
        if end > begin:
            _print(log_path(repository, service.model), text[begin:end])
            write_json(path, {"bytes": end})


def forget(repository: Repository, service: Service) -> None:
    """Nothing more will come of a service that is gone."""
    folder = _folder(repository, service)
    shutil.rmtree(folder, ignore_errors=True)
    for suffix in (".json", ".printed.json"):
        folder.with_suffix(suffix).unlink(missing_ok=True)


def _folder(repository: Repository, service: Service) -> Path:
    return records_dir(repository, service.model) / "carried" / service.container


def _fresh(folder: Path, name: str, known: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
    """The new whole lines of each file that has some, with its identity and the place after them.

    A file is known by its first line, whatever it is called by now.
    """
    for path in kept_files(folder, name):
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it was given another name, or deleted, just now
            continue
        with file:
            first = file.readline()
            identity = hashlib.sha256(first).hexdigest()[:16]
            place = known.get(identity, 0)
            file.seek(place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            yield identity, place + len(whole), whole


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_room(path)
    with path.open("ab") as file:
        file.write(data)


def _print(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        with suppress(BlockingIOError):  # a process of the model's cuts it just now
            trim(file.fileno())


@contextmanager
def _turn(repository: Repository, name: str) -> Iterator[None]:
    path = repository.state_dir / "locks" / f"records-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
