"""What is known of the version that is to be built again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.bentos import bring_bento, has_bento
from ci.assets.github import github_of
from ci.console import say
from ci.errors import MlopsError
from ci.events.places import places, take_over_once
from ci.events.standing import standings
from ci.github import releases
from ci.registry.store import client
from ci.reproduce.sample import FILE, Sample, read_sample, sample_path
from ci.state.local import state_folder
from ci.state.records import versions
from ci.targets.launch import bento_folder

if TYPE_CHECKING:
    from ci.events.event import Lineage
    from ci.repository import Repository
    from ci.state.records import Release

DIGEST, OUTPUT, TOOLCHAIN = "digest.", "output.", "toolchain"
SAMPLE_BYTES = 64 << 20


@dataclass(frozen=True)
class Known:
    """A version: its lineage, what its run recorded, its Bento and its sample where they are there.

    ``inputs`` is path or word → digest of what it follows from.
    """

    lineage: Lineage
    inputs: dict[str, str] = field(default_factory=dict)
    toolchain: str | None = None
    bento: Path | None = None
    sample: Sample | None = None


def known_version(repository: Repository, model: str, version: int) -> Known:
    """All that this checkout and the releases know of a version.

    Raises:
        MlopsError: ``unknown_version``; ``broken_chain``.
    """
    take_over_once(repository)
    found: dict[int, Lineage] = {}
    for place in reversed(places(repository)):  # what was released comes last, and counts
        standing = standings(place.log.events()).get(model)
        found |= standing.versions if standing else {}
    if version not in found:
        there = ", ".join(map(str, sorted(found))) or "none"
        raise MlopsError(
            "unknown_version",
            f"There is no version {version} of {model}; there are: {there} (`mlops restore` brings "
            f"what was released, `mlops history {model}` shows it).",
        )
    lineage = found[version]
    tags = _tags(repository, lineage)
    release = _release(repository, model, version)
    return Known(
        lineage,
        {key.removeprefix(DIGEST): text for key, text in tags.items() if key.startswith(DIGEST)},
        tags.get(TOOLCHAIN),
        _bento(repository, lineage, release),
        _sample(repository, model, lineage, release),
    )


def _tags(repository: Repository, lineage: Lineage) -> dict[str, str]:
    """What the run of the version recorded; nothing where the registry was rebuilt without runs."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client(repository).get_run(lineage.run_id).data.tags)
    except MlflowException:
        return {}


def _release(repository: Repository, model: str, version: int) -> Release | None:
    every = versions(state_folder(repository), model)
    return next((each for each in every if each.version == version), None)


def _bento(repository: Repository, lineage: Lineage, release: Release | None) -> Path | None:
    folder = bento_folder(repository, lineage.bento)
    if release is None:
        return folder if folder.is_dir() else None
    try:
        if not has_bento(repository, release):
            bring_bento(repository, github_of(repository), release)
    except MlopsError as error:
        say(error.message)
        return None
    return folder


def _sample(
    repository: Repository, model: str, lineage: Lineage, release: Release | None
) -> Sample | None:
    """The sample on this machine, else the asset of the release."""
    here = read_sample(sample_path(repository, model, lineage.digest))
    if here or release is None:
        return here
    try:
        github = github_of(repository)
        found = releases.by_tag(github, release.tag)
        asset = releases.all_assets(github, found).get(FILE) if found else None
        with tempfile.TemporaryDirectory(prefix="mlops-sample-") as directory:
            path = Path(directory, FILE)
            if asset:
                releases.download_asset(github, asset, path, SAMPLE_BYTES)
            return read_sample(path)
    except (MlopsError, ValueError) as error:
        say(f"The stored sample can't be had: {error}")
        return None
