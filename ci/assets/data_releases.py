"""DVC objects as assets of the release `data-store`, named by their digest.

GitHub takes at most 1,000 assets a release, so that a full one is followed by `data-store-2`.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import step
from ci.errors import MlopsError
from ci.github import releases

if TYPE_CHECKING:
    from ci.assets.objects import Cache
    from ci.github.client import GitHub
    from ci.github.releases import Asset, Release

STORE = "data-store"
ASSETS_LIMIT = 1000
BYTES_LIMIT = 2 << 30
PACKED = ".gz"
NOTE = "Files of datasets that released models come from, named by their MD5. Used by `restore`."


class InReleases:
    """The releases that hold objects, as they are when this is made."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._releases: list[Release] = []
        self._assets: dict[str, Asset] = {}
        while (found := releases.by_tag(github, self._tag())) is not None:
            self._releases.append(found)
            self._assets |= releases.all_assets(github, found)

    def _tag(self) -> str:
        number = len(self._releases) + 1
        return STORE if number == 1 else f"{STORE}-{number}"

    def has(self, md5: str) -> bool:
        """Whether the object ``md5`` itself is stored."""
        return self._asset(md5) is not None

    def _asset(self, md5: str) -> Asset | None:
        return self._assets.get(md5) or self._assets.get(md5 + PACKED)

    def fetch(self, cache: Cache, md5: str) -> bool:
        """Put the object into ``cache``; false where no release has it."""
        asset = self._asset(md5)
        if asset is None:
            return False
        with tempfile.TemporaryDirectory(prefix="mlops-data-") as directory:
            file = Path(directory, "asset")
            with step(f"bringing {md5} ({asset['size']:,} bytes) from {STORE}"):
                releases.download_asset(self._github, asset, file, BYTES_LIMIT)
            if asset["name"].endswith(PACKED):
                file = _unpacked(file)
            cache.put(md5, file)
        return True

    def add(self, md5: str, file: Path, commit: str) -> None:
        """Keep ``file``, whose digest is ``md5``; a new release begins at ``commit``.

        Raises:
            MlopsError: ``too_large`` for a file over 2 GiB, or what GitHub says.
        """
        with tempfile.TemporaryDirectory(prefix="mlops-data-") as directory:
            packed = _packed(file, Path(directory))
            smaller = packed.stat().st_size < 0.9 * file.stat().st_size
            name, content = (md5 + PACKED, packed) if smaller else (md5, file)
            if content.stat().st_size >= BYTES_LIMIT:
                raise MlopsError(
                    "too_large",
                    f"A data file ({md5}) has {content.stat().st_size:,} bytes, and a release "
                    "takes files below 2 GiB: cut it into several, or name a bucket in "
                    "policies/data.yaml.",
                )
            with step(f"storing {name} ({content.stat().st_size:,} bytes) in {STORE}"):
                made = releases.upload_asset(self._github, self._room(commit), name, content)
            self._assets[name] = made

    def _room(self, commit: str) -> Release:
        """The newest release of the store, or a new one where that is full."""
        full = len(self._assets) >= ASSETS_LIMIT * len(self._releases)
        if full:
            tag = self._tag()
            self._releases.append(releases.create(self._github, tag, commit, tag, NOTE))
        return self._releases[-1]


def _packed(file: Path, folder: Path) -> Path:
    target = folder / "packed"
    with file.open("rb") as source, gzip.GzipFile(target, "wb", compresslevel=6, mtime=0) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    return target


def _unpacked(file: Path) -> Path:
    target = file.with_name("unpacked")
    try:
        with gzip.open(file, "rb") as source, target.open("wb") as plain:
            shutil.copyfileobj(source, plain, 1 << 20)
    except (OSError, EOFError) as error:
        raise MlopsError("damaged_data", f"{file.name} can't be unpacked: {error}.") from None
    return target
