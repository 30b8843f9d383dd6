"""DVC objects as assets of the release `data-store`, named by their digest.

GitHub takes at most 1,000 assets a release, so that a full one is followed by `data-store-2`.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.objects import DIRECTORY, require_md5
from ci.console import step
from ci.errors import MlopsError
from ci.github import releases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.assets.objects import Cache
    from ci.github.client import GitHub
    from ci.github.releases import Asset, Release

STORE = "data-store"
ASSETS_LIMIT = 1000
BYTES_LIMIT = 2 << 30
PACKED = ".gz"
NOTE = "Files of datasets that released models come from, named by their MD5. Used by `restore`."


class DataStore:
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

    def bring(self, cache: Cache, md5s: Iterable[str]) -> set[str]:
        """Put objects that ``cache`` lacks into it; returns those that are stored nowhere.

        Raises:
            MlopsError: ``damaged_data``, or what GitHub says.
        """
        lost = set()
        for md5 in md5s:
            here = cache.path(md5).is_file() or self._fetch(cache, md5)
            if not here or self.bring(cache, cache.entries(md5)):
                lost.add(md5)
        return lost

    def _fetch(self, cache: Cache, md5: str) -> bool:
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

    def store(self, files: dict[str, Path], commit: str) -> list[str]:
        """Add objects (digest → file) that are not stored yet; returns what was added.

        A directory comes after its files, so that one that is stored is whole.

        Raises:
            MlopsError: ``too_large`` for an object over 2 GiB, ``damaged_data`` for one that is not
                what its name says, or what GitHub says.
        """
        added = [md5 for md5 in sorted(files, key=_directories_last) if not self.has(md5)]
        for md5 in added:
            require_md5(md5, files[md5])
        for md5 in added:
            self._add(md5, files[md5], commit)
        return added

    def _add(self, md5: str, file: Path, commit: str) -> None:
        with tempfile.TemporaryDirectory(prefix="mlops-data-") as directory:
            packed = _packed(file, Path(directory))
            smaller = packed.stat().st_size < 0.9 * file.stat().st_size
            name, content = (md5 + PACKED, packed) if smaller else (md5, file)
            if content.stat().st_size >= BYTES_LIMIT:
                raise MlopsError(
                    "too_large",
                    f"A data file ({md5}) has {content.stat().st_size:,} bytes, and a release "
                    "takes files below 2 GiB: cut it into several, or let DVC keep it in a bucket.",
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


def _directories_last(md5: str) -> tuple[bool, str]:
    return md5.endswith(DIRECTORY), md5


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
