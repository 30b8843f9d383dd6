"""The image of a staged model: built around the very Bento that was staged, and pushed.

It is pushed before the model is released, so that a registry that refuses it leaves what is
released as it was.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ci.assets.bentos import is_whole
from ci.contract.base import Contract, Name
from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.handover.manifest import Sha256  # noqa: TC001 (pydantic reads it at run time)
from ci.package.archive import unpack
from ci.package.package import Packaged
from ci.release.staged import BENTO, Staged, read_staged
from ci.targets.launch import bento_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.context import Context
    from ci.repository import Repository

RECORD = "image.json"
GITHUB = "ghcr.io"
REGISTRY = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
WHERE = "under Settings, Secrets and variables, Actions"


class Pushed(Contract):
    """An image in a registry: ``name`` is REGISTRY/MODEL@sha256:…; ``digest`` is the Bento's."""

    model: Name
    digest: Sha256
    name: str


def registry() -> str | None:
    """What the variable IMAGE_REGISTRY says, or None where no image is asked for.

    Raises:
        MlopsError: ``bad_registry``.
    """
    given = os.environ.get("IMAGE_REGISTRY", "").strip()
    if given and not REGISTRY.fullmatch(given):
        raise MlopsError(
            "bad_registry",
            f"The variable IMAGE_REGISTRY is {given[:100]!r}; write it as {GITHUB}/OWNER/NAME, in "
            f"lower-case letters and without https://, {WHERE}.",
        )
    return given or None


def login(context: Context, into: str) -> tuple[str, str]:
    """User and password for the registry ``into``; the run's token is given to GitHub's only.

    Raises:
        MlopsError: ``no_registry_password``.
    """
    user = os.environ.get("IMAGE_REGISTRY_USERNAME") or context.actor
    password = os.environ.get("IMAGE_REGISTRY_PASSWORD")
    if not password and into.startswith(f"{GITHUB}/"):
        password = context.token
    if not password:
        raise MlopsError(
            "no_registry_password",
            f"{into} is no registry of GitHub, and there is no password for it: set the secret "
            f"IMAGE_REGISTRY_PASSWORD and the variable IMAGE_REGISTRY_USERNAME, {WHERE}.",
        )
    return user, password


def push_image(
    repository: Repository, folder: Path, into: str, account: tuple[str, str], target: Path
) -> Pushed:
    """Build the image of what was staged in ``folder``, push it, and write that to ``target``.

    Args:
        repository: checkout of the commit that was staged.
        folder: what the staging job handed over.
        into: the registry and the path in it.
        account: user and password.
        target: new folder of the record.

    Raises:
        MlopsError: ``bad_staged``, ``damaged_bento``, ``push_refused`` or as `image_of`.
    """
    from ci.contract.model import load_model_contract
    from ci.images.engine import connect
    from ci.images.image import image_of

    staged = read_staged(folder)
    contract = load_model_contract(repository, staged.model)
    engine = connect()
    made = image_of(repository, engine, _packaged(repository, staged, folder), contract)
    name = f"{into}/{staged.model}"
    digest = engine.push(made.id, f"{name}:{staged.trained.fingerprint}", account)
    pushed = Pushed(model=staged.model, digest=staged.digest, name=f"{name}@{digest}")
    write_json(target / RECORD, pushed.model_dump(mode="json"))
    return pushed


def _packaged(repository: Repository, staged: Staged, folder: Path) -> Packaged:
    """The staged Bento in this checkout's store."""
    bento = bento_folder(repository, staged.bento)
    unpack(folder / BENTO, bento)
    if not is_whole(bento, staged.digest):
        raise MlopsError(
            "damaged_bento",
            f"The Bento of {staged.model} is not the one that was staged; run deploy.yml again.",
        )
    return Packaged(staged.bento, staged.digest, bento, staged.trained.candidate())


def pushed_image(folder: Path, staged: Path) -> str:
    """The image that was pushed for what lies in ``staged``, by the record in ``folder``.

    Raises:
        MlopsError: ``no_image``.
    """
    wanted = read_staged(staged)
    try:
        found = Pushed.model_validate(read_json(folder / RECORD))
    except (OSError, ValueError):
        found = None
    if found is None or (found.model, found.digest) != (wanted.model, wanted.digest):
        raise MlopsError(
            "no_image",
            f"{wanted.model} has no image in the registry of the variable IMAGE_REGISTRY, so it is "
            "not released; the log of its image's job says why.",
        )
    return found.name
