"""Rollbacks that the remote has not heard of yet: `.mlops/host/pins/MODEL.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.files import read_json, write_json
from ci.host.place import folder, me
from ci.host.records import read_host
from ci.state.local import state_folder
from ci.state.records import Pin

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository


def pending(repository: Repository) -> dict[str, Pin]:
    """Model to the pin that holds here already, and is still to be declared."""
    paths = sorted(_folder(repository).glob("*.json"))
    found = {path.stem: read_json(path) for path in paths}
    return {name: Pin.model_validate(each) for name, each in found.items() if each}


def set_pin(repository: Repository, pin: Pin) -> None:
    """Have this host stay at the version of ``pin``, from now on."""
    write_json(_folder(repository) / f"{pin.model}.json", pin.model_dump(mode="json"))


def take_back(repository: Repository, model: str) -> None:
    """Undo `set_pin`, where the rollback came to nothing."""
    (_folder(repository) / f"{model}.json").unlink(missing_ok=True)


def forget_declared(repository: Repository) -> None:
    """Leave it to the state branch, as last fetched, to hold what it has heard of."""
    own = me(repository)
    record = read_host(state_folder(repository), own.name) if own else None
    if own is None or record is None or record.instance != own.instance:
        return
    for model, pin in pending(repository).items():
        if record.declared.get(model) == pin.at:
            take_back(repository, model)


def _folder(repository: Repository) -> Path:
    return folder(repository) / "pins"
