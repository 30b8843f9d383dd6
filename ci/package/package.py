"""`mlops package`: the candidate, its predict code and the runners as one Bento."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ci
from ci.contract.model import ARTIFACT, load_model_contract
from ci.errors import MlopsError
from ci.files import file_digest
from ci.fingerprint import source_files
from ci.pipeline.candidate import current_candidate
from ci.targets.launch import bento_folder

if TYPE_CHECKING:
    from ci.pipeline.candidate import Candidate
    from ci.repository import Repository

LOCK = Path(__file__).parents[1] / "locks" / "serving.txt"


@dataclass(frozen=True)
class Packaged:
    """A Bento in the repository's store: ``bento`` is ``name:fingerprint``."""

    bento: str
    digest: str
    path: Path
    candidate: Candidate


def package(repository: Repository, name: str) -> Packaged:
    """The Bento of the current candidate; one that exists already is not built again.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``no_candidate``,
            ``outdated_candidate``, ``other_bento`` or ``build_failed``.
    """
    from bentos.build import BuildError, bento_digest, build

    contract = load_model_contract(repository, name)
    candidate = current_candidate(repository, contract)
    folder = repository.model_dir(name)
    bento = f"{name}:{candidate.fingerprint}"
    _require_own_files(repository, bento, folder)
    try:
        path = build(
            store=repository.state_dir / "bentoml",
            name=name,
            version=candidate.fingerprint,
            contract=contract.model_dump(mode="json"),
            folder=folder,
            sources=source_files(folder),
            artifact=folder / ARTIFACT,
            requirements=Path(ci.__file__).parent / "locks" / "serving.txt",
        )
    except BuildError as error:
        raise MlopsError("build_failed", f"{error}; nothing was packaged.") from None
    return Packaged(bento, bento_digest(path), path, candidate)


def _require_own_files(repository: Repository, bento: str, folder: Path) -> None:
    """Make sure that a Bento that is there already holds the files that were judged."""
    from bentos.build import BENTO_FILE
    from bentos.bundle import MODEL_DIRECTORY

    there = bento_folder(repository, bento)
    if not (there / BENTO_FILE).is_file():
        return
    files = [*source_files(folder), *(p for p in (folder / ARTIFACT).rglob("*") if p.is_file())]
    model = there / "src" / MODEL_DIRECTORY
    copies = {path.relative_to(model) for path in model.rglob("*") if path.is_file()}
    judged = {path.relative_to(folder) for path in files}
    differing = copies ^ judged | {
        path for path in copies & judged if file_digest(model / path) != file_digest(folder / path)
    }
    if differing:
        raise MlopsError(
            "other_bento",
            f"{repository.relative(model / min(differing))} is not the candidate's: the Bento was "
            "changed by hand, or the training gave something else for the same inputs; nothing was "
            f"packaged; remove {repository.relative(there)} and type the same again.",
        )
