"""The lineage of a version as MLflow keeps it: tags that are written once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ci.events.event import Lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities.model_registry import ModelVersion

DATA = "data."
EVALUATION = "evaluation"
NOBODY = "nobody"
NONE = "none"
# Lineage field → tag, where a plain text stands for the value.
TEXTS = {
    "source_run_id": "source_run_id",
    "fingerprint": "fingerprint",
    "source": "source",
    "bento": "bento",
    "digest": "digest",
    "commit": "git_commit",
    "committed_at": "committed_at",
    "trained_at": "trained_at",
    "verdict": "verdict",
    "candidate": "candidate",
    "workflow_run": "workflow_run",
    "image": "image",
}


def tags_of(lineage: Lineage) -> dict[str, str]:
    """What MLflow is told of a version; what nobody knows has no tag."""
    texts = {tag: getattr(lineage, field) for field, tag in TEXTS.items()}
    data = {f"{DATA}{path}": digest for path, digest in lineage.data.items()}
    return {
        **{tag: str(text) for tag, text in texts.items() if text},
        "approvers": ", ".join(lineage.approvers) or NOBODY,
        "pull": str(lineage.pull or NONE),
        **data,
        **({EVALUATION: lineage.evaluation.model_dump_json()} if lineage.evaluation else {}),
    }


def lineage_of(found: ModelVersion) -> Lineage:
    """What MLflow knows of a version."""
    tags = found.tags
    texts = {field: tags[tag] for field, tag in TEXTS.items() if tag in tags}
    approvers = tags.get("approvers", NOBODY)
    return Lineage(
        version=int(found.version),
        run_id=str(found.run_id or ""),
        **{"fingerprint": "", "bento": "", "digest": "", **texts},
        approvers=[] if approvers == NOBODY else approvers.split(", "),
        pull=int(tags["pull"]) if tags.get("pull", NONE) != NONE else None,
        data=data_of(tags),
        evaluation=json.loads(tags.get(EVALUATION, "null")),
    )


def data_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Path → digest of the data that a version was trained with, by its tags."""
    return {key.removeprefix(DATA): text for key, text in tags.items() if key.startswith(DATA)}
