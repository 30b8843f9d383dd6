"""What is declared (in production, released) against what runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.doctor.finding import Finding
from ci.doctor.machine import database
from ci.files import read_json
from ci.registry.champion import bento_again
from ci.registry.versions import PRODUCTION, by_alias
from ci.state.local import state_folder
from ci.state.records import released
from ci.targets.launch import bento_folder, release_path
from ci.targets.local import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.repository import Repository
    from ci.targets.services import Service


def declared(repository: Repository) -> Iterator[Finding]:
    """Versions that should run here and do not, and Bentos that are not what was deployed."""
    if any(database(repository)):  # said already, and nothing can be known without it
        return
    for name in repository.model_names():
        service = recorded(repository, name)
        yield from _production(repository, name, service)
        if service:
            yield from _release(repository, service)
            yield from _bento(repository, service)


def _production(repository: Repository, name: str, service: Service | None) -> Iterator[Finding]:
    wanted = by_alias(repository, name, PRODUCTION)
    if wanted is None:
        return
    start = f"mlops start {name}"
    if service and service.version != wanted.version:
        problem = f"Version {wanted.version} of {name} is in production, and {service.version} runs"
        yield Finding(name, problem, start)
    elif service is None and bento_folder(repository, wanted.bento).is_dir():
        yield Finding(name, f"Version {wanted.version} of {name} is here and does not run", start)


def _release(repository: Repository, service: Service) -> Iterator[Finding]:
    name = service.model
    release = released(state_folder(repository), name)
    if release and release.fingerprint != service.fingerprint:
        problem = f"Version {release.version} of {name} is released, and {service.version} runs"
        yield Finding(name, problem, f"mlops restore {name} && mlops start {name}")


def _bento(repository: Repository, service: Service) -> Iterator[Finding]:
    """A Bento that was changed after it was registered answers differently when it is restarted."""
    from bentos.build import bento_digest

    folder = bento_folder(repository, service.bento)
    record = read_json(release_path(repository, service.model, service.version)) or {}
    whole = folder.is_dir() and bento_digest(folder) == record.get("digest", "")
    if not whole:
        problem = (
            f"The Bento of version {service.version} of {service.model} is not the one that was "
            "deployed"
        )
        again = bento_again(repository, service.model, service.bento, record.get("git_commit"))
        yield Finding(service.model, problem, again)
