"""Where an image comes from, and the labels that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.images.bases import Base
    from ci.package import Packaged

STANDARD = "org.opencontainers.image"


@dataclass(frozen=True)
class Lineage:
    """What a model's image is made of; ``data`` maps each data file to DVC's digest."""

    model: str
    owner: str
    language: str
    description: str
    fingerprint: str
    bento: str
    bento_digest: str
    run_id: str
    git_commit: str | None
    trained_at: str
    data: dict[str, str]


def lineage_of(packaged: Packaged, contract: ModelContract) -> Lineage:
    """The lineage of a packaged candidate."""
    candidate = packaged.candidate
    return Lineage(
        model=contract.name,
        owner=contract.owner,
        language=contract.language,
        description=contract.description,
        fingerprint=candidate.fingerprint,
        bento=packaged.bento,
        bento_digest=packaged.digest,
        run_id=candidate.run_id,
        git_commit=candidate.git_commit,
        trained_at=candidate.trained_at,
        data=candidate.data,
    )


def labels(lineage: Lineage, base: Base) -> dict[str, str]:
    """OCI's own labels, and ours for what OCI has no word for."""
    found = {
        f"{STANDARD}.title": lineage.model,
        f"{STANDARD}.description": lineage.description,
        f"{STANDARD}.version": lineage.fingerprint,
        f"{STANDARD}.revision": lineage.git_commit or "",
        f"{STANDARD}.base.name": base.name,
        f"{STANDARD}.base.digest": base.digest,
        "mlops.model": lineage.model,
        "mlops.owner": lineage.owner,
        "mlops.language": lineage.language,
        "mlops.fingerprint": lineage.fingerprint,
        "mlops.bento": lineage.bento,
        "mlops.bento.sha256": lineage.bento_digest,
        "mlops.run_id": lineage.run_id,
        "mlops.trained_at": lineage.trained_at,
        "mlops.data": json.dumps(lineage.data, sort_keys=True),
    }
    return {name: value for name, value in found.items() if value}
