"""What a container records and prints, carried over to where that of all services lies.

It has a folder of its own for records, since its user is another than that of processes, who could
not write to the same files. How much is carried over already stands beside it.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.logs import trim
from bentos.records import ACCESS_FILE, PREDICTIONS_FILE, make_room
from ci.files import read_json, write_json
from ci.images.recipes import PYTHON
from ci.observe.recorded import kept_files
from ci.targets.fresh import fresh
from ci.targets.image import extract
from ci.targets.launch import log_path, records_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci.repository import Repository
    from ci.targets.services import Service

    Fresh = tuple[str, int, bytes]

FAR_RECORDS = "/state/records"
KNOWN_FILES = 64  # more than a service keeps
PRIVATE, ANYBODY = 0o700, 0o777


def own_folder(repository: Repository, service: Service) -> Path:
    """Where the container of ``service`` writes, whatever user it is there; nobody else gets in."""
    folder = _folder(repository, service)
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(PRIVATE)
    folder.chmod(ANYBODY)
    return folder


def carry(repository: Repository, service: Service, far: Any | None = None) -> None:
    """Bring what is new: from the service's folder here, or out of its container ``far`` away."""
    folder = _folder(repository, service)
    places = folder.with_suffix(".json")
    with _turn(repository, service.model):
        for kind in (ACCESS_FILE, PREDICTIONS_FILE):
            known: dict[str, int] = read_json(places) or {}
            new = _inside(far, kind, known) if far else fresh(kept_files(folder, kind), known)
            for identity, place, data in new:
                _append(records_dir(repository, service.model) / kind, data)
                known = {**{k: v for k, v in known.items() if k != identity}, identity: place}
                write_json(places, dict(list(known.items())[-KNOWN_FILES:]))


def lay_records(repository: Repository, service: Service, container: Any) -> None:
    """Lay all that a container on another machine recorded, and that has ended, here."""
    with tempfile.TemporaryDirectory(prefix="mlops-records-") as directory:
        extract(container, FAR_RECORDS, directory)
        shutil.copytree(
            Path(directory, Path(FAR_RECORDS).name),
            own_folder(repository, service),
            dirs_exist_ok=True,
        )


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


def _inside(container: Any, name: str, known: Mapping[str, int]) -> Iterator[Fresh]:
    """As `fresh`, of the records in the volume of a container on another machine."""
    program = (files("ci.targets") / "fresh.py").read_text(encoding="utf-8")
    command = [PYTHON, "-I", "-B", "-c", program, FAR_RECORDS, name, json.dumps(known)]
    code, printed = container.exec_run(command, stderr=False)
    for line in printed.splitlines() if code == 0 else []:
        identity, place, text = json.loads(line)
        yield identity, place, text.encode("utf-8", "surrogateescape")


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
