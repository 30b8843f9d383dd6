"""`mlops package`: the candidate, its predict code and the runners as one Bento."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ci
from ci.contract.model import ARTIFACT, load_model_contract
from ci.errors import MlopsError
from ci.fingerprint import source_files
from ci.pipeline.candidate import current_candidate

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
            ``outdated_candidate`` or ``build_failed``.
    """
    from bentos.build import BuildError, bento_digest, build

    contract = load_model_contract(repository, name)
    candidate = current_candidate(repository, contract)
    folder = repository.model_dir(name)
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
    return Packaged(f"{name}:{candidate.fingerprint}", bento_digest(path), path, candidate)
