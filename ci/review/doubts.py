"""What a reviewer must know of a comparison before its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.report.markdown import plain
from ci.report.sections import rule_in_words

if TYPE_CHECKING:
    from ci.gate import Judgement
    from ci.handover import Manifest
    from ci.repository import Repository


def doubts(base: Repository, manifest: Manifest, judgement: Judgement) -> list[str]:
    """What of the comparison a reviewer must know first."""
    name = plain(judgement.contract.name)
    found = []
    if manifest.fingerprint != manifest.source:
        found.append(
            f"**{name}: it was trained on other data than the repository names.** Its `dvc.lock` "
            "is not up to date: commit the one that `mlops train` writes."
        )
    problem = judgement.evaluation.origin.champion_problem
    if problem:
        found.append(
            f"**{name}: the champion could not be compared** ({plain(problem)}). Baselines decide."
        )
    elif judgement.champion and _holdout_differs(base, judgement):
        found.append(
            f"**{name}: the holdout is not the one that the champion was judged on.** Both were "
            "compared on the new rows. Ask why the rows changed, or have somebody read what writes "
            "them."
        )
    found += [
        f"**{name}: a rule does not hold and is waived.** {rule_in_words(rule)}: "
        f"{plain(rule.detail, 600)}"
        for rule in judgement.verdict.rules
        if rule.result == "waived"
    ]
    return found


def _holdout_differs(base: Repository, judgement: Judgement) -> bool:
    """Whether the rows are others than those of the champion's training, as far as can be told."""
    from mlflow.exceptions import MlflowException

    from ci.gate.gate import champion_digest
    from ci.registry.store import client
    from ci.registry.versions import PRODUCTION, by_alias

    name, found = judgement.contract.name, judgement.evaluation
    version = by_alias(base, name, PRODUCTION)
    if version is None:
        return False
    try:
        tags = client(base).get_run(version.run_id).data.tags
    except MlflowException:  # a registry that was rebuilt from its events has no runs
        return champion_digest(base, name, "rows_digest") not in (None, found.rows_digest)
    recorded = tags.get(f"output.{judgement.contract.evaluation.holdout}")
    return recorded != found.origin.holdout_digest
