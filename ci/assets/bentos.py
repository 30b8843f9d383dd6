"""Released Bentos: one asset of one release a version, taken only where its digest is right."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.folder import take
from ci.console import step
from ci.errors import MlopsError
from ci.github import releases
from ci.package.archive import BYTES_LIMIT, unpack
from ci.targets.launch import bento_folder
from ci.trust.signing import require_signed

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.releases import Asset
    from ci.repository import Repository
    from ci.state.records import Release

RECORD = "release.json"


def asset_name(model: str, fingerprint: str) -> str:
    """What the Bento of a candidate is called among the assets of its release."""
    return f"{model}-{fingerprint[:12]}.bento.tar"


def tag_name(model: str, version: int) -> str:
    """The tag of a released version."""
    return f"{model}/v{version}"


def has_bento(repository: Repository, release: Release) -> bool:
    """Whether this checkout's store has the released Bento, whole."""
    target = bento_folder(repository, release.bento)
    return target.is_dir() and is_whole(target, release.digest)


def bring_bento(repository: Repository, store: GitHub | Path, release: Release) -> Path:
    """The released Bento in this checkout's store, from GitHub or a folder of releases.

    Raises:
        MlopsError: ``lost_bento`` where the release has no such asset, ``damaged_bento`` where the
            asset is not what was released, ``not_signed`` where policies/trust.yaml has keys and
            none of them signed it.
    """
    require_signed(repository, release)
    target = bento_folder(repository, release.bento)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        step(f"{release.model}: bringing version {release.version} from its release"),
        tempfile.TemporaryDirectory(dir=target.parent, prefix="restore-") as directory,
    ):
        archive, fresh = Path(directory, "bento.tar"), Path(directory, "bento")
        _download(store, release, archive)
        unpack(archive, fresh)
        if not is_whole(fresh, release.digest):
            raise MlopsError(
                "damaged_bento",
                f"{release.asset} of release {release.tag} is not what was released (its "
                "digest differs); release the model again from a run of deploy.yml.",
            )
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    return target


def has_asset(github: GitHub, release: Release) -> bool:
    """Whether GitHub has the Bento of a released version."""
    return _asset(github, release) is not None


def is_whole(bento: Path, digest: str) -> bool:
    """Whether the files of a Bento are those that ``digest`` was computed from."""
    from bentos.build import bento_digest

    return bento_digest(bento) == digest


def _asset(github: GitHub, release: Release) -> Asset | None:
    found = releases.by_tag(github, release.tag)
    return releases.all_assets(github, found).get(release.asset) if found else None


def _download(store: GitHub | Path, release: Release, path: Path) -> None:
    if isinstance(store, Path):
        take(store, release, path)
        return
    asset = _asset(store, release)
    if asset is None:
        raise MlopsError(
            "lost_bento",
            f"GitHub has no {release.asset} in a published release {release.tag}; where deploy.yml "
            "was cut off, its next run puts this right, else run it with the model's name.",
        )
    releases.download_asset(store, asset, path, BYTES_LIMIT)
