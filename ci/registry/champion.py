"""The champion: the version in production, as something that can predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.standing import standings
from ci.fingerprint import fingerprint
from ci.registry.take_over import governing_log
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
        MlopsError: as `in_production` and `servable`.
    """
    version = in_production(repository, name)
    return servable(repository, version) if version else None


def in_production(repository: Repository, name: str) -> Version | None:
    """The version of ``name`` that is the champion, as it is registered.

    Raises:
        MlopsError: as `registered_as`.
    """
    release = released(state_folder(repository), name)
    return release.as_version() if release else registered_as(repository, name, PRODUCTION)


def registered_as(repository: Repository, name: str, alias: str) -> Version | None:
    """The version that ``alias`` points to, if it still is what the event of it tells.

    Raises:
        MlopsError: ``record_differs`` where the registry names another Bento.
    """
    version = by_alias(repository, name, alias)
    standing = standings(governing_log(repository).events()).get(name) if version else None
    told = standing.versions.get(version.version) if standing and version else None
    if version and told and (told.bento, told.digest) != (version.bento, version.digest):
        raise MlopsError(
            "record_differs",
            f"Version {version.version} of {name} is another Bento in the registry than in the "
            "event of its registration: the registry was changed by hand; what runs goes on; type: "
            "mlops registry rebuild",
        )
    return version


def servable(repository: Repository, version: Version) -> Servable:
    """A registered version as something that can predict.

    Raises:
        MlopsError: ``lost_bento``, or ``damaged_bento`` where its files are others than then.
    """
    from bentos.build import bento_digest
    from bentos.bundle import read_bundle
    from ci.contract.model import ModelContract
    from ci.evaluate.candidate import Servable
    from ci.targets.launch import bento_folder

    folder = bento_folder(repository, version.bento)
    if not (folder / "src").is_dir():
        raise MlopsError(
            "lost_bento",
            f"Version {version.version} of {version.model} is registered, but its Bento "
            f"{version.bento} is not in .mlops/bentoml; if it was released on GitHub, type: mlops "
            f"restore {version.model}; else deploy the model again.",
        )
    if bento_digest(folder) != version.digest:
        raise MlopsError("damaged_bento", damaged(repository, version))
    bundle = read_bundle(folder / "src")
    return Servable(
        predict_file=bundle.predict_file,
        artifact=bundle.artifact,
        contract=ModelContract.model_validate(bundle.contract),
        version=version.version,
        fingerprint=version.fingerprint,
    )


def damaged(repository: Repository, version: Version) -> str:
    """What to say of a version whose Bento in the store is not what was registered."""
    again = bento_again(repository, version.model, version.bento, version.git_commit)
    return (
        f"The Bento of version {version.version} of {version.model} in .mlops/bentoml is not what "
        f"was registered: its files were changed by hand; what runs goes on; type: {again}"
    )


def bento_again(repository: Repository, name: str, bento: str, commit: str | None) -> str:
    """What to type to have a Bento as it was."""
    from ci.targets.launch import bento_folder

    if released(state_folder(repository), name):
        return f"mlops restore {name}"
    remove = f"rm -rf {repository.relative(bento_folder(repository, bento))}"
    if fingerprint(repository, name) == bento.partition(":")[2]:
        return f"{remove} && mlops package {name}"
    files = f"git checkout {commit or 'COMMIT'} -- models/{name}"
    return f"{files} && mlops train {name} && {remove} && mlops package {name}"
