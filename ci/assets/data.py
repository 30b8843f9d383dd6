"""The store of DVC objects, by their digest: assets of a release, or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ci.assets.data_bucket import InBucket
from ci.assets.data_releases import InReleases
from ci.assets.objects import DIRECTORY, require_md5
from ci.contract.data import DataPolicy
from ci.contract.policy import load_policy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci.assets.objects import Cache
    from ci.github.client import GitHub
    from ci.repository import Repository


class Place(Protocol):
    """One place in which objects are kept."""

    def has(self, md5: str) -> bool:
        """Whether the object ``md5`` itself is there."""

    def fetch(self, cache: Cache, md5: str) -> bool:
        """Put the object into ``cache``; false where it is not there."""

    def add(self, md5: str, file: Path, commit: str) -> None:
        """Keep ``file``, whose digest is ``md5``; ``commit`` is what a release begins at."""


class DataStore:
    """What `policies/data.yaml` names. Of a bucket, releases stay the second place to look in."""

    def __init__(self, repository: Repository, github: GitHub) -> None:
        bucket = load_policy(repository, DataPolicy).bucket
        releases = InReleases(github)
        self._places: list[Place] = [InBucket(bucket), releases] if bucket else [releases]

    def has(self, md5: str) -> bool:
        """Whether the object ``md5`` itself is stored."""
        return any(place.has(md5) for place in self._places)

    def bring(self, cache: Cache, md5s: Iterable[str]) -> set[str]:
        """Put objects that ``cache`` lacks into it; returns those that are stored nowhere.

        Raises:
            MlopsError: ``damaged_data``, ``data_unreachable`` or what GitHub says.
        """
        lost = set()
        for md5 in md5s:
            here = cache.path(md5).is_file() or self._fetch(cache, md5)
            if not here or self.bring(cache, cache.entries(md5)):
                lost.add(md5)
        return lost

    def _fetch(self, cache: Cache, md5: str) -> bool:
        return any(place.fetch(cache, md5) for place in self._places)

    def store(self, files: dict[str, Path], commit: str) -> list[str]:
        """Add objects (digest → file) that are not stored yet; returns what was added.

        A directory comes after its files, so that one that is stored is whole.

        Raises:
            MlopsError: ``damaged_data`` for an object that is not what its name says, ``too_large``
                for one over 2 GiB among releases, ``delivery_failed``, ``not_readable``,
                ``data_unreachable`` of a bucket, or what GitHub says.
        """
        added = [md5 for md5 in sorted(files, key=_directories_last) if not self.has(md5)]
        for md5 in added:
            require_md5(md5, files[md5])
        for md5 in added:
            self._places[0].add(md5, files[md5], commit)
        return added


def _directories_last(md5: str) -> tuple[bool, str]:
    return md5.endswith(DIRECTORY), md5
