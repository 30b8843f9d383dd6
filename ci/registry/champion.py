"""The champion: the version in production, as something that can predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.registry.versions import PRODUCTION, by_alias
from ci.state.local import state_folder
from ci.state.records import released

if TYPE_CHECKING:
    from ci.evaluate.candidate import Servable
    from ci.registry.versions import Version
    from ci.repository import Repository


def champion(repository: Repository, name: str) -> Servable | None:
    """The production version of ``name``, or None where nothing is in production.

    After `mlops restore` that is what was released; in a checkout on its own, what it deployed.

    Raises:
        MlopsError: ``lost_bento`` where that version's Bento is not in the store.
    """
    version = in_production(repository, name)
    return servable(repository, version) if version else None


def in_production(repository: Repository, name: str) -> Version | None:
    """The version of ``name`` that is the champion, as it is registered."""
    release = released(state_folder(repository), name)
    return release.as_version() if release else by_alias(repository, name, PRODUCTION)


def servable(repository: Repository, version: Version) -> Servable:
    """A registered version as something that can predict.

    Raises:
        MlopsError: ``lost_bento``.
    """
    from bentos.bundle import read_bundle
    from ci.contract.model import ModelContract
    from ci.evaluate.candidate import Servable
    from ci.targets.launch import bento_folder

    source = bento_folder(repository, version.bento) / "src"
    if not source.is_dir():
        raise MlopsError(
            "lost_bento",
            f"Version {version.version} of {version.model} is registered, but its Bento "
            f"{version.bento} is not in .mlops/bentoml; if it was released on GitHub, type: mlops "
            f"restore {version.model}; else deploy the model again.",
        )
    bundle = read_bundle(source)
    return Servable(
        predict_file=bundle.predict_file,
        artifact=bundle.artifact,
        contract=ModelContract.model_validate(bundle.contract),
        version=version.version,
        fingerprint=version.fingerprint,
    )
