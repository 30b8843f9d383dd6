"""What this machine serves: a record a model, which says what every command has to finish."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ci.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci.repository import Repository

# What a process is for. Callers reach LIVE, and some of them CANARY. Besides, STARTING, CANARY and
# LEAVING are ended by whoever finds them: the command that would have gone on was cut off.
STARTING, CANARY, LIVE, WARM = "starting", "canary", "live", "warm"
LEAVING, STOPPED = "leaving", "stopped"


@dataclass(frozen=True)
class Service:
    """A process or a container that serves a version.

    ``started`` tells a process from others with the same pid. A container has a name, which no
    other ever gets, and the address of its ``engine``. ``url`` is the service's own address, behind
    the one that callers use. One that is kept warm, or is a canary, runs until the time ``until``,
    in seconds since 1970. ``share`` is how many of 100 callers a canary answers.
    """

    model: str
    version: int
    bento: str
    fingerprint: str
    url: str
    port: int
    pid: int
    started: str
    since: str
    role: str = STARTING
    until: float = 0.0
    share: float = 0.0
    container: str = ""
    engine: str = ""

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from every other service of the model, whatever its role."""
        return self.pid, self.started, self.container


@dataclass(frozen=True)
class Record:
    """The services of a model. MLflow is yet to be told that the version ``untold`` is live."""

    model: str
    services: tuple[Service, ...] = ()
    untold: int | None = None

    def of(self, *roles: str) -> Service | None:
        """The service in one of ``roles``, or None."""
        return next((each for each in self.services if each.role in roles), None)


def records_folder(repository: Repository) -> Path:
    """Where the records lie, a file a model."""
    return repository.state_dir / "live"


def read_record(repository: Repository, name: str) -> Record:
    """What runs, or ran, of ``name``; without services where nothing ever did."""
    found = read_json(records_folder(repository) / f"{name}.json") or {}
    services = tuple(Service(**each) for each in found.get("services", []))
    return Record(name, services, found.get("untold"))


def write_record(repository: Repository, record: Record) -> None:
    """Take down what runs, or is about to change."""
    write_json(records_folder(repository) / f"{record.model}.json", asdict(record))


def all_records(repository: Repository) -> list[Record]:
    """The records of all models that run or ran, by model."""
    names = sorted(path.stem for path in records_folder(repository).glob("*.json"))
    return [record for name in names if (record := read_record(repository, name)).services]


def live_services(records: Iterable[Record]) -> list[Service]:
    """The services that callers reach, without canaries."""
    return [service for record in records if (service := record.of(LIVE))]


def over_services(record: Record, now: float) -> list[Service]:
    """Those whose time is over."""
    timed = [each for each in record.services if each.role in (WARM, CANARY)]
    return [each for each in timed if each.until <= now]
