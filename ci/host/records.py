"""What hosts keep on the state branch: `hosts/NAME.json` and `leases/MODEL.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from ci.contract.base import Contract
from ci.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

C = TypeVar("C", bound=Contract)

State = Literal["running", "not ready", "stopped", "none"]


class Served(Contract):
    """A model on a host: the version that it should run, and what it does run.

    ``since`` is when the running version was started there; ``problem`` is a sentence.
    """

    should: int | None
    version: int | None = None
    digest: str | None = None
    state: State = "none"
    since: str | None = None
    problem: str | None = None


class HostRecord(Contract):
    """What a host said of itself when it was last heard of, at ``at``.

    ``instance`` tells it from another checkout with its name, ``platform`` is the commit of its
    checkout. ``reported`` is the head of its own events of which the state branch knows, and
    ``declared`` says of each model when the newest rollback happened that it brought there.
    """

    name: str
    instance: str
    platform: str | None
    at: str
    models: dict[str, Served]
    problem: str | None = None
    reported: str | None = None
    declared: dict[str, str] = Field(default_factory=dict)


class Lease(Contract):
    """The turn of ``host`` to switch ``model``: nobody else does while it lasts.

    Who waits counts ``seconds`` by a clock of its own, from when it saw this ``mark`` first.
    """

    model: str
    host: str
    instance: str
    version: int
    mark: str
    seconds: float
    at: str


def read_host(state: Path, name: str) -> HostRecord | None:
    """What the host ``name`` reported, or None; a record that can't be read counts as none."""
    return _read(state / "hosts" / f"{name}.json", HostRecord)


def all_hosts(state: Path) -> list[HostRecord]:
    """What all hosts reported, by name."""
    names = sorted(path.stem for path in (state / "hosts").glob("*.json"))
    return [record for name in names if (record := read_host(state, name))]


def write_host(state: Path, record: HostRecord) -> None:
    """Write down what a host reports."""
    write_json(state / "hosts" / f"{record.name}.json", record.model_dump(mode="json"))


def read_lease(state: Path, model: str) -> Lease | None:
    """Whose turn it is to switch ``model``, or None."""
    return _read(state / "leases" / f"{model}.json", Lease)


def write_lease(state: Path, lease: Lease) -> None:
    """Take the turn."""
    write_json(state / "leases" / f"{lease.model}.json", lease.model_dump(mode="json"))


def drop_leases(state: Path, instance: str) -> None:
    """End every turn of ``instance``."""
    for path in (state / "leases").glob("*.json"):
        lease = read_lease(state, path.stem)
        if lease is None or lease.instance == instance:
            path.unlink()


def _read(path: Path, kind: type[C]) -> C | None:
    try:
        return kind.model_validate(read_json(path))
    except ValueError:
        return None
