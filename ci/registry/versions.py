"""Registered versions: immutable, found by digest; the aliases say which one is where.

What changes the registry is in `ci.registry.change`, which also writes the events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.events.standing import PREVIOUS, PRODUCTION, STAGING
from ci.registry.lineage import data_of, lineage_of, tags_of
from ci.registry.store import client, has_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

    from ci.events.event import Lineage
    from ci.repository import Repository

__all__ = ["PREVIOUS", "PRODUCTION", "STAGING", "Version", "by_alias", "by_digest", "registered"]

ALIASES = (STAGING, PRODUCTION, PREVIOUS)
HEAD_TAG = "events_head"


@dataclass(frozen=True)
class Version:
    """A registered model version: how it was judged (see ``Evaluated``), and data by path.

    ``data`` has the digest of each dataset that it was trained with.
    """

    model: str
    version: int
    fingerprint: str
    run_id: str
    bento: str
    digest: str
    git_commit: str | None
    evaluation: dict[str, Any] | None = None
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Registered:
    """A model as the registry knows it; ``head`` is that of the events when it last changed."""

    model: str
    versions: dict[int, Lineage]
    aliases: dict[str, int]
    head: str | None


def is_there(repository: Repository) -> bool:
    """Whether there is a registry: nothing that only looks should make one."""
    return has_server() or (repository.state_dir / "mlflow.db").exists()


def by_digest(repository: Repository, name: str, digest: str) -> Version | None:
    """The version whose Bento has ``digest``, or None."""
    for known in client(repository).search_model_versions(f"name = '{name}'"):
        if known.tags.get("digest") == digest:
            return _version(known)
    return None


def by_alias(repository: Repository, name: str, alias: str) -> Version | None:
    """The version that ``alias`` points to, or None."""
    if not is_there(repository):
        return None
    return _by_alias(client(repository), name, alias)


def registered(repository: Repository, name: str | None = None) -> dict[str, Registered]:
    """All models of the registry, or ``name`` alone, with what it knows of them."""
    if not is_there(repository):
        return {}
    mlflow = client(repository)
    wanted = f"name = '{name}'" if name else None
    return {
        str(model.name): Registered(
            str(model.name),
            _versions(mlflow, str(model.name)),
            _aliases(model),
            model.tags.get(HEAD_TAG),
        )
        for model in mlflow.search_registered_models(wanted)
    }


def create(repository: Repository, name: str, lineage: Lineage) -> Version:
    """Register a version; its number in ``lineage`` is ignored."""
    mlflow = client(repository)
    if not list(mlflow.search_registered_models(f"name = '{name}'")):
        mlflow.create_registered_model(name)
    return _version(create_version(mlflow, name, lineage))


def create_version(mlflow: MlflowClient, name: str, lineage: Lineage) -> ModelVersion:
    """The version with the next number."""
    source = f"bento:///{lineage.bento}"  # a server refuses what has no path
    return mlflow.create_model_version(name, source, lineage.run_id, tags=tags_of(lineage))


def point(repository: Repository, name: str, aliases: Mapping[str, int], head: str | None) -> None:
    """Make the aliases of ``name`` those that are given, and note the head of the events."""
    mlflow = client(repository)
    there = mlflow.get_registered_model(name)
    now = _aliases(there)
    for alias, version in aliases.items():
        if now.get(alias) != version:
            mlflow.set_registered_model_alias(name, alias, str(version))
    for alias in now.keys() - aliases.keys():
        mlflow.delete_registered_model_alias(name, alias)
    if head and there.tags.get(HEAD_TAG) != head:
        mlflow.set_registered_model_tag(name, HEAD_TAG, head)


def _aliases(model: RegisteredModel) -> dict[str, int]:
    return {str(key): int(number) for key, number in model.aliases.items() if key in ALIASES}


def _versions(mlflow: MlflowClient, name: str) -> dict[int, Lineage]:
    found: dict[int, Lineage] = {}
    page = None
    while True:
        listed = mlflow.search_model_versions(f"name = '{name}'", page_token=page)
        found |= {int(each.version): lineage_of(each) for each in listed}
        page = listed.token
        if not page:
            return dict(sorted(found.items()))


def _by_alias(mlflow: MlflowClient, name: str, alias: str) -> Version | None:
    from mlflow.exceptions import MlflowException

    try:
        return _version(mlflow.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _version(found: ModelVersion) -> Version:
    return Version(
        model=str(found.name),
        version=int(found.version),
        fingerprint=found.tags["fingerprint"],
        run_id=str(found.run_id),
        bento=found.tags["bento"],
        digest=found.tags["digest"],
        git_commit=found.tags.get("git_commit"),
        evaluation=json.loads(found.tags.get("evaluation", "null")),
        data=data_of(found.tags),
    )
