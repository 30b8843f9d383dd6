"""The step of report.yml that judges; it holds no token that may write."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.files import read_yaml_quickly, write_json, write_whole
from ci.github import artifacts
from ci.github.client import GitHubError
from ci.release.judged import measured
from ci.review.decide import decide
from ci.review.look import Look, find_pull, look
from ci.review.source import Source, source
from ci.review.trusted import BODY, PAGE, VERDICT
from ci.review.verdict import Reviewed, ReviewedModel

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.repository import Repository
    from ci.review.judge import ModelReview

MOST_ZIP_BYTES = 2 << 30
GONE = (404, 410)


def review(github: GitHub, repository: Repository, target: Path) -> None:
    """Judge every touched model; write verdict.json, body.md and report.html to ``target``.

    Raises:
        MlopsError: ``nothing_to_review`` where the pull request has moved on.
    """
    from ci.review.body import body, parts_of
    from ci.review.page import page

    with tempfile.TemporaryDirectory(dir=github.context.temp) as directory:
        scratch = Path(directory)
        pull = find_pull(github)
        found = look(github, repository, pull, scratch, fresh=True) if pull else None
        scope = found.facts.scope if found else None
        if found is None or found.source is None or scope is None or not found.facts.training:
            raise MlopsError(
                "nothing_to_review", "The pull request has moved on: nothing to judge."
            )
        reviews = _reviews(github, repository, found, scratch)
        reviewed = _reviewed(found, found.source, reviews, repository)
    notices = [*scope.notices, *(text for each in reviews for text in each.notices)]
    parts = parts_of(reviews)
    headline = decide(replace(found.facts, reviewed=reviewed, tests=None)).headline
    about = f"Pull request {found.number}, commit {found.sha[:7]}, {reviewed.judged_at}"
    passes = reviewed.verdict == "pass"
    target.mkdir(parents=True, exist_ok=True)
    write_whole(target / BODY, body(notices, parts))
    write_whole(target / PAGE, page(headline, about, passes, notices, parts, reviews))
    write_json(target / VERDICT, reviewed.model_dump(mode="json"))


def _reviews(
    github: GitHub, repository: Repository, found: Look, scratch: Path
) -> list[ModelReview]:
    from ci.review.judge import Court, review_model

    assert found.facts.scope and found.source and found.facts.training  # noqa: S101, PT018
    first = found.source
    at = {first.base_sha: first}

    def source_at(base_sha: str) -> Source:
        if base_sha not in at:
            folder = scratch / f"merged-{len(at)}"
            at[base_sha] = source(repository, found.sha, folder, base_sha)
        return at[base_sha]

    court = Court(repository, first, source_at, scratch)
    listed = artifacts.artifacts_of_run(github, int(found.facts.training["id"]))
    done = []
    for name in found.facts.scope.names:
        say(f"{name}: reviewing")
        archive, missing = _download(github, listed, name, scratch)
        done.append(review_model(court, name, archive, missing))
        shutil.rmtree(scratch / name, ignore_errors=True)
        if archive:
            archive.unlink()
    return done


def _download(
    github: GitHub, listed: list[artifacts.Artifact], name: str, scratch: Path
) -> tuple[Path | None, str]:
    """The newest handover of ``name``, or why there is none."""
    wanted = [each for each in listed if each["name"] == f"handover-{name}"]
    if not wanted:
        return None, (
            "Its job handed nothing over: it was cut off, or its workflow was changed. Read the "
            "job's log (in this pull request, under Checks) and run it again."
        )
    newest = max(wanted, key=lambda each: (each["created_at"] or "", each["id"]))
    if newest["expired"]:
        return None, "Its handover has expired: run the jobs of this pull request again."
    path = scratch / "handover.zip"
    try:
        artifacts.download(github, newest["id"], path, MOST_ZIP_BYTES)
    except GitHubError as error:
        if error.status not in GONE:  # an outage says nothing about the model
            raise
        return None, error.message
    except MlopsError as error:
        return None, error.message
    return path, ""


def _reviewed(
    found: Look, merged: Source, reviews: list[ModelReview], repository: Repository
) -> Reviewed:
    assert found.facts.training  # noqa: S101 (its artifacts were read)
    return Reviewed(
        pull=found.number,
        head_sha=found.sha,
        base_sha=merged.base_sha,
        run_id=int(found.facts.training["id"]),
        run_attempt=int(found.facts.training["run_attempt"]),
        judged_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        models=[_reviewed_model(each, repository, merged) for each in reviews],
    )


def _reviewed_model(each: ModelReview, repository: Repository, merged: Source) -> ReviewedModel:
    judgement = each.subject.judgement if each.subject else None
    origin = judgement.evaluation.origin if judgement else None
    manifest = each.manifest if judgement else None
    failure = each.failure.message if each.failure else None
    return ReviewedModel(
        model=each.name,
        owner=_owner(repository.models_dir, each.name) or _owner(merged.root / "models", each.name),
        source=manifest.source if manifest else None,
        fingerprint=manifest.fingerprint if manifest else None,
        bento_digest=manifest.bento_digest if manifest else None,
        champion_version=origin.champion_version if origin else None,
        champion_fingerprint=origin.champion_fingerprint if origin else None,
        holdout_digest=origin.holdout_digest if origin else None,
        verdict=judgement.verdict.verdict if judgement else "fail",
        rules=judgement.verdict.rules if judgement else [],
        problem=each.problem or failure,
        measured=measured(judgement.contract, judgement.evaluation) if judgement else None,
    )


def _owner(models: Path, name: str) -> str | None:
    owner = read_yaml_quickly(models / name / "model.yaml").get("owner")
    return owner if isinstance(owner, str) else None
