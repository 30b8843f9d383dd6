"""Refusals of pull requests as events: the jobs that judge may not write, a deployment may.

What report.yml said is read from its verdicts, which GitHub keeps for a while.
"""

from __future__ import annotations

import tempfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci.actor import whoever
from ci.console import say
from ci.errors import MlopsError
from ci.events.event import Draft
from ci.github.artifacts import artifacts_since, download
from ci.review.trusted import MOST_BYTES, VERDICT, made_by_report
from ci.review.verdict import Reviewed

if TYPE_CHECKING:
    from ci.github.artifacts import Artifact
    from ci.github.client import GitHub
    from ci.review.verdict import ReviewedModel

PREFIX = "verdict-"
# A verdict may be uploaded while a deployment looks.
OVERLAP = timedelta(days=2)


def refusals_since(github: GitHub, last: str | None) -> list[Draft]:
    """An event for each candidate that a review refused since ``last`` (ISO 8601; None: ever).

    Nothing where GitHub does not answer: the next deployment looks again.
    """
    since = datetime.fromisoformat(last) - OVERLAP if last else None
    try:
        found = [
            draft
            for artifact in artifacts_since(github, since)
            if artifact["name"].startswith(PREFIX)
            for draft in _refusals(github, artifact)
        ]
    except MlopsError as error:
        say(error.message)
        return []
    return found[::-1]  # the oldest first


def _refusals(github: GitHub, artifact: Artifact) -> list[Draft]:
    if not made_by_report(github, artifact):
        return []
    reviewed = _read(github, int(artifact["id"]))
    models = reviewed.models if reviewed else []
    return [_draft(reviewed, each) for each in models if reviewed and _was_refused(each)]


def _was_refused(model: ReviewedModel) -> bool:
    """By the gate: what could not be judged at all was no candidate."""
    return model.fingerprint is not None and any(rule.result == "fail" for rule in model.rules)


def _draft(reviewed: Reviewed, model: ReviewedModel) -> Draft:
    rule = next(rule for rule in model.rules if rule.result == "fail")
    return Draft(
        kind="refused",
        model=model.model,
        actor=whoever(),
        reason=f"in review of #{reviewed.pull}, judged {reviewed.judged_at}",
        candidate=model.fingerprint,
        pull=reviewed.pull,
        measured=model.measured,
        rule=rule.rule,
        detail=rule.detail,
    )


def _read(github: GitHub, artifact_id: int) -> Reviewed | None:
    with tempfile.TemporaryDirectory(prefix="mlops-verdict-") as directory:
        path = Path(directory, "verdict.zip")
        download(github, artifact_id, path, MOST_BYTES)
        try:
            with zipfile.ZipFile(path) as archive:
                return Reviewed.model_validate_json(archive.read(VERDICT))
        except (zipfile.BadZipFile, KeyError, ValidationError):
            return None  # made by another version of the platform
