"""Releases and their assets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ci.errors import MlopsError
from ci.files import file_digest
from ci.github.client import ATTEMPTS, FIRST_WAIT_SECONDS, GitHubError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.github.client import GitHub

Release = dict[str, Any]
Asset = dict[str, Any]


def by_tag(github: GitHub, tag: str) -> Release | None:
    """The published release of a tag."""
    return github.find(f"{github.repo}/releases/tags/{quote(tag, safe='')}")


def all_releases(github: GitHub) -> Iterator[Release]:
    """Every release, newest first."""
    return github.paginate(f"{github.repo}/releases")


def draft(github: GitHub, tag: str, commit: str, name: str, body: str) -> Release:
    """A release of ``tag`` that nobody sees yet; where the tag has one, draft or not, that one."""
    found = by_tag(github, tag) or _draft_of(github, tag)
    if found is not None:
        return found
    asked = {"tag_name": tag, "target_commitish": commit, "name": name, "body": body, "draft": True}
    made: Release = github.post(f"{github.repo}/releases", asked)
    return made


def _draft_of(github: GitHub, tag: str) -> Release | None:
    """A draft has no tag yet, so that it is found among all releases only."""
    found = (each for each in all_releases(github) if each["draft"] and each["tag_name"] == tag)
    return next(found, None)


def publish(github: GitHub, release: Release, commit: str, body: str) -> Release:
    """Show a drafted release to everybody, with this text, and tag ``commit``."""
    asked = {"draft": False, "target_commitish": commit, "body": body, "make_latest": "true"}
    shown: Release = github.patch(f"{github.repo}/releases/{release['id']}", asked)
    return shown


def remove_asset(github: GitHub, asset: Asset) -> None:
    """Take an asset out of its release."""
    github.delete(f"{github.repo}/releases/assets/{asset['id']}")


def create(
    github: GitHub, tag: str, commit: str, name: str, body: str, *, latest: bool = False
) -> Release:
    """Publish a release, tagging ``commit``; where the tag has one already, it is that one."""
    asked = {
        "tag_name": tag,
        "target_commitish": commit,
        "name": name,
        "body": body,
        "make_latest": "true" if latest else "false",
    }
    try:
        made: Release = github.post(f"{github.repo}/releases", asked)
    except GitHubError:
        found = by_tag(github, tag)
        if found is None:
            raise
        return found
    return made


def all_assets(github: GitHub, release: Release) -> dict[str, Asset]:
    """Name → asset of a release, without uploads that broke off."""
    return {each["name"]: each for each in _assets(github, release) if each["state"] == "uploaded"}


def _assets(github: GitHub, release: Release) -> Iterator[Asset]:
    return github.paginate(f"{github.repo}/releases/{release['id']}/assets")


def upload_asset(github: GitHub, release: Release, name: str, file: Path) -> Asset:
    """Add ``file`` to a release as ``name``; the same content under the same name is left alone.

    Raises:
        MlopsError: ``asset_differs`` where the name holds other content.
        GitHubError: GitHub refused it, or it broke off each time.
    """
    for attempt in range(1, ATTEMPTS + 1):
        there = _clear(github, release, name, file)
        if there is not None:
            return there
        try:
            made: Asset = github.upload(release["upload_url"], name, file)
        except GitHubError as error:
            refused = error.status is not None and error.status < 500 and error.status != 422
            if refused or attempt == ATTEMPTS:
                raise
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        else:
            return made
    raise AssertionError


def _clear(github: GitHub, release: Release, name: str, file: Path) -> Asset | None:
    """The asset where it is there; what an upload that broke off left is removed."""
    for asset in _assets(github, release):
        if asset["name"] == name:
            if asset["state"] != "uploaded":
                github.delete(f"{github.repo}/releases/assets/{asset['id']}")
            elif _same(asset, file):
                return asset
            else:
                tag = release["tag_name"]
                raise MlopsError(
                    "asset_differs",
                    f"Release {tag} already has another {name}; released files never change.",
                )
    return None


def _same(asset: Asset, file: Path) -> bool:
    if asset["size"] != file.stat().st_size:
        return False
    digest = asset.get("digest")
    return digest is None or digest == f"sha256:{file_digest(file)}"


def download_asset(github: GitHub, asset: Asset, path: Path, limit_bytes: int) -> None:
    """Write the content of an asset to ``path``.

    Raises:
        MlopsError: ``too_large``.
    """
    address = f"{github.repo}/releases/assets/{asset['id']}"
    github.download(address, path, limit_bytes, accept="application/octet-stream")
