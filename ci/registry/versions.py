"""Registered versions: immutable, found by fingerprint; the aliases say which one is where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.registry.store import client, has_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from ci.repository import Repository

PRODUCTION = "production"
PREVIOUS = "previous"
STAGING = "staging"


@dataclass(frozen=True)
class Version:
    """A registered model version, its lineage, and how it was judged (see ``Evaluated``)."""

    model: str
    version: int
    fingerprint: str
    run_id: str
    bento: str
    digest: str
    git_commit: str | None
    evaluation: dict[str, Any] | None = None


def by_digest(repository: Repository, name: str, digest: str) -> Version | None:
    """The version whose Bento has ``digest``, or None."""
    for known in client(repository).search_model_versions(f"name = '{name}'"):
        if known.tags.get("digest") == digest:
            return _version(known)
    return None


def register(
    repository: Repository, wanted: Version, lineage: Mapping[str, str] | None = None
) -> Version:
    """Register ``wanted`` (its number is ignored) unless its Bento digest is registered already.

    ``lineage`` are further tags; the tags of a version never change afterwards.
    """
    mlflow = client(repository)
    _ensure_model(mlflow, wanted.model)
    known = by_digest(repository, wanted.model, wanted.digest)
    if known is not None:
        return known
    tags = {
        **(lineage or {}),
        "fingerprint": wanted.fingerprint,
        "bento": wanted.bento,
        "digest": wanted.digest,
        **({"git_commit": wanted.git_commit} if wanted.git_commit else {}),
        **({"evaluation": json.dumps(wanted.evaluation)} if wanted.evaluation else {}),
    }
    source = f"bento://{wanted.bento}"
    made = mlflow.create_model_version(wanted.model, source, wanted.run_id, tags=tags)
    return _version(made)


def by_alias(repository: Repository, name: str, alias: str) -> Version | None:
    """The version that ``alias`` points to, or None."""
    if not (repository.state_dir / "mlflow.db").exists() and not has_server():
        return None  # nothing was ever registered: do not create a database to find that out
    return _by_alias(client(repository), name, alias)


def promote(repository: Repository, name: str, version: int) -> None:
    """Point ``production`` at ``version`` and ``previous`` at what was in production."""
    mlflow = client(repository)
    before = _by_alias(mlflow, name, PRODUCTION)
    if before is not None and before.version == version:
        return
    if before is not None:
        mlflow.set_registered_model_alias(name, PREVIOUS, str(before.version))
    mlflow.set_registered_model_alias(name, PRODUCTION, str(version))


def set_alias(repository: Repository, name: str, alias: str, version: int) -> None:
    """Point ``alias`` at ``version``."""
    client(repository).set_registered_model_alias(name, alias, str(version))


def _ensure_model(mlflow: MlflowClient, name: str) -> None:
    if not list(mlflow.search_registered_models(f"name = '{name}'")):
        mlflow.create_registered_model(name)


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
    )
