"""The image that a container of a version runs: found on the engine, pulled, or built there."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.errors import MlopsError
from ci.images.engine import Engine, answering
from ci.images.recipes import BENTO
from ci.targets.launch import bento_folder

if TYPE_CHECKING:
    from ci.events.event import Lineage as Known
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.state.records import Release

DIGEST_LABEL = "mlops.bento.sha256"


def bring_image(engine: str, client: Any, repository: Repository, version: Version) -> None:
    """Have an image of ``version`` on ``engine``: one that is there, or a new one.

    Raises:
        MlopsError: ``no_image`` where nobody knows what the version comes from; as `image_from`.
    """
    if find_image(engine, client, version):
        return
    known = _known(repository, version)
    if known is None or not known.trained_at:
        raise MlopsError(
            "no_image",
            f"The engine has no image of version {version.version} of {version.model}, and nothing "
            f"here says what it was trained on; type: mlops package {version.model} --image",
        )
    if not (known.image and _pulled(engine, client, version, known.image)):
        _build(engine, client, repository, version, known)


def find_image(engine: str, client: Any, version: Version) -> str | None:
    """The engine's id of an image that says it holds the very Bento of ``version``."""
    with answering("list its images", engine):
        images = client.images.list(filters={"label": f"{DIGEST_LABEL}={version.digest}"})
    return str(images[0].id) if images else None


def require_own(container: Any, version: Version) -> None:
    """Make sure that a container holds the very Bento that was registered.

    Whatever the label of its image says.

    Raises:
        MlopsError: ``other_image``.
    """
    from bentos.build import bento_digest

    with tempfile.TemporaryDirectory(prefix="mlops-image-") as directory:
        extract(container, BENTO, directory)
        found = bento_digest(Path(directory, Path(BENTO).name))
    if found != version.digest:
        raise MlopsError(
            "other_image",
            f"The image that calls itself version {version.version} of {version.model} holds "
            f"another Bento ({found[:12]}, not {version.digest[:12]}); delete it, deploy again.",
        )


def extract(container: Any, folder: str, target: str) -> None:
    """Lay a folder of ``container`` into the folder ``target``."""
    stream, _ = container.get_archive(folder)
    with tempfile.TemporaryFile() as file:
        for part in stream:
            file.write(part)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(target, filter="data")


def _known(repository: Repository, version: Version) -> Known | Release | None:
    """What is recorded of a version, by the release or by the registry."""
    from ci.registry.versions import registered
    from ci.state.local import state_folder
    from ci.state.records import versions

    for release in versions(state_folder(repository), version.model):
        if release.digest == version.digest:
            return release
    found = registered(repository, version.model).get(version.model)
    return found.versions.get(version.version) if found else None


def _pulled(engine: str, client: Any, version: Version, name: str) -> bool:
    """Whether the image that was released could be pulled, by its digest, and is the version's."""
    try:
        with answering(f"pull {name}", engine):
            client.images.pull(name)
    except MlopsError as error:
        say(f"  {error.message} It is built here instead.")
        return False
    return find_image(engine, client, version) is not None


def _build(
    engine: str,
    client: Any,
    repository: Repository,
    version: Version,
    known: Known | Release,
) -> None:
    from ci.images.image import image_from
    from ci.images.lineage import Lineage
    from ci.registry.champion import servable

    contract = servable(repository, version).contract
    lineage = Lineage(
        model=version.model,
        owner=contract.owner,
        language=contract.language,
        description=contract.description,
        fingerprint=version.fingerprint,
        bento=version.bento,
        bento_digest=version.digest,
        run_id=known.source_run_id or known.run_id,
        git_commit=version.git_commit,
        trained_at=known.trained_at or "",
        data=known.data,
    )
    bento = bento_folder(repository, version.bento)
    image_from(repository, Engine(client, engine), bento, lineage)
