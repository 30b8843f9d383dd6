"""Judges one model: its handover against the default branch's policy, contract and champion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bentos.bundle import MODEL_DIRECTORY
from ci.contract.model import ARTIFACT, ModelContract, load_model_contract
from ci.contract.policy import load_policy
from ci.contract.promotion import PromotionPolicy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.files import file_digest, read_yaml_quickly, tree_digest
from ci.fingerprint import Platform, fingerprint, inputs
from ci.gate import Case, Judgement, apply
from ci.gate.gate import champion_digest, same_data
from ci.handover.manifest import BENTO, CONTRACT, HOLDOUT, METRICS, PARAMS, PREDICTIONS
from ci.handover.read import LIMITS, Limits, bad_handover, read_handover
from ci.report.sections import Subject
from ci.repository import NAME_PATTERN, Repository
from ci.review.doubts import doubts
from ci.trust.artifact import refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.evaluate.candidate import Servable
    from ci.evaluate.outcome import Evaluation
    from ci.handover import Failure, Handover, Manifest
    from ci.pipeline.candidate import Candidate
    from ci.report.changes import Changes
    from ci.review.source import Source


BAD_NAME = "A model's name is lower-case letters, digits and single hyphens; rename its folder."


@dataclass(frozen=True)
class ModelReview:
    """What came of one model: judged (``subject``), a ``failure`` of its job, or refused.

    ``notices`` are sentences for the top of the report, ``problem`` says why it was refused.
    """

    name: str
    manifest: Manifest | None = None
    subject: Subject | None = None
    failure: Failure | None = None
    problem: str | None = None
    notices: tuple[str, ...] = ()
    holdout_digest: str | None = None


@dataclass(frozen=True)
class Court:
    """What judges: ``base`` is the checkout of the default branch with its restored state.

    ``source_at`` gives the pull request merged into a commit of the default branch; ``scratch`` is
    a folder for what is unpacked.
    """

    base: Repository
    source: Source
    source_at: Callable[[str], Source]
    scratch: Path
    limits: Limits = LIMITS


def review_model(court: Court, name: str, archive: Path | None, missing: str) -> ModelReview:
    """Judge model ``name`` by the zip of its handover.

    Args:
        court: what judges.
        name: the model.
        archive: the zip, or None where there is none.
        missing: why there is none, for the report.
    """
    if archive is None:
        return ModelReview(name, problem=missing)
    if not NAME_PATTERN.fullmatch(name):
        return ModelReview(name, problem=BAD_NAME)
    folder = court.scratch / name
    manifest = None
    try:
        handover = read_handover(archive, folder / "handover", court.limits)
        manifest = handover.manifest
        if (manifest.model, manifest.head_sha) != (name, court.source.head_sha):
            raise bad_handover("it is of another model or commit")
        if manifest.failure:
            return ModelReview(name, manifest, failure=manifest.failure)
        return _judged(court, handover, folder)
    except MlopsError as error:
        return ModelReview(name, manifest, problem=error.message)
    except Exception as error:  # what strangers made must not end the whole review
        return ModelReview(name, manifest, problem=f"It can't be judged ({type(error).__name__}).")


def _judged(court: Court, handover: Handover, folder: Path) -> ModelReview:
    from ci.registry.champion import champion

    manifest = handover.manifest
    name = manifest.model
    source = court.source_at(manifest.base_sha)
    merged = Repository(source.root)
    own = load_model_contract(merged, name)
    _check_origin(court.base, handover, source, own, folder)
    contract = _judged_contract(court.base, own, merged)
    live = champion(court.base, name)
    candidate = _candidate(manifest, merged, handover)
    rows, answers = _tables(court.limits, handover, own, folder)
    evaluation = _evaluation(court, (rows, answers), contract, candidate, live)
    case = Case(
        contract=contract,
        evaluation=evaluation,
        current=True,
        champion_contract=live.contract if live else None,
        params=dict(candidate.params),
        champion_rows=champion_digest(court.base, name, "rows_digest"),
        champion_slices=champion_digest(court.base, name, "slices_digest"),
        same_data=same_data(court.base, candidate, live),
    )
    policy = load_policy(court.base, PromotionPolicy)
    verdict = apply(policy, case, candidate.fingerprint, datetime.now(UTC).date())
    judgement = Judgement(contract, candidate, live, evaluation, verdict)
    return ModelReview(
        name,
        manifest,
        subject=Subject(judgement, _changes(court.base, judgement)),
        notices=tuple(doubts(court.base, manifest, judgement)),
        holdout_digest=evaluation.origin.holdout_digest,
    )


def _check_origin(
    base: Repository, handover: Handover, source: Source, contract: ModelContract, folder: Path
) -> None:
    """The handover is of the commit that it names, and its Bento of the same files."""
    from ci.package.archive import unpack
    from ci.review.bento import check_bento

    manifest = handover.manifest
    place = f"models/{manifest.model}/"
    links = [path for path in source.links if path.startswith(place)]
    if links:
        raise bad_handover(
            f"{links[0][:200]} is a link or has an unusual name; only plain files can be judged"
        )
    made = fingerprint(Repository(source.root), manifest.model, Platform.of(source.root))
    if made != manifest.source:
        raise bad_handover(f"its fingerprint is not that of the pull request ({made[:12]})")
    for name in (CONTRACT, PARAMS):
        path = source.root / place / name
        own = file_digest(path) if path.is_file() else None
        listed = manifest.files.get(name)
        if own != (listed.sha256 if listed else None):
            raise bad_handover(f"its {name} is not that of the pull request")
    bento = folder / "bento"
    unpack(handover.folder / BENTO, bento)
    check_bento(bento, manifest, contract, source.root)
    _check_formats(base, contract, bento / "src" / MODEL_DIRECTORY / ARTIFACT)
    artifact = tree_digest(bento / "src" / MODEL_DIRECTORY / ARTIFACT)
    if manifest.candidate and manifest.candidate.outputs.get(ARTIFACT) != artifact:
        raise bad_handover("the artifact in its Bento is not the one that its run recorded")


def _check_formats(base: Repository, contract: ModelContract, artifact: Path) -> None:
    """No file is in a format that the default branch's policy does not let be loaded."""
    found = refusals(load_policy(base, TrustPolicy), contract, artifact)
    if found:
        raise bad_handover(f"artifact/{found[0].file[:200]} {found[0].problem}")


def _judged_contract(base: Repository, own: ModelContract, merged: Repository) -> ModelContract:
    """The pull request's contract, judged as the default branch's contract says.

    That gives `evaluation`, and the range of every business parameter that is still there.
    """
    if own.name not in base.model_names():
        return own
    before = load_model_contract(base, own.name)
    params = read_yaml_quickly(merged.models_dir / own.name / "params.yaml")
    kept = {
        key: parameter
        for key, parameter in before.parameters.items()
        if key in own.parameters or _has(params, key)
    }
    changed = {
        "evaluation": before.evaluation.model_dump(),
        "parameters": {key: each.model_dump() for key, each in (own.parameters | kept).items()},
    }
    try:
        return ModelContract.model_validate({**own.model_dump(), **changed})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise MlopsError(
            "evaluation_does_not_fit",
            f"models/{own.name}/model.yaml no longer fits the evaluation of the default branch: "
            f"{first.removeprefix('Value error, ')}; change the evaluation first, in a pull "
            "request of its own.",
        ) from None


def _has(params: dict[str, Any], key: str) -> bool:
    value: Any = params
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _candidate(manifest: Manifest, merged: Repository, handover: Handover) -> Candidate:
    """The candidate's record, where parameters and data are those of the files themselves."""
    from ci.pipeline.candidate import read_metrics

    assert manifest.candidate  # noqa: S101 (a whole manifest has one)
    name = manifest.model
    found = inputs(merged, name, Platform.of(merged.root))
    data = {path: digest for path, digest in found.items() if path.startswith("data/")}
    return replace(
        manifest.candidate.candidate(),
        model=name,
        fingerprint=str(manifest.fingerprint),
        metrics=read_metrics(handover.folder / METRICS, f"models/{name}/{METRICS}"),
        params=read_yaml_quickly(merged.models_dir / name / "params.yaml"),
        data=data if manifest.fingerprint == manifest.source else manifest.candidate.data,
    )


def _tables(
    limits: Limits, handover: Handover, own: ModelContract, folder: Path
) -> tuple[Path, Path]:
    """The holdout's rows and the answers as CSV files; the rows are those of the run's record."""
    from ci.handover.tables import unzip_table

    rows, answers = folder / "holdout.csv", folder / "predictions.csv"
    unzip_table(handover.folder / HOLDOUT, rows, limits.unpacked_table_bytes)
    unzip_table(handover.folder / PREDICTIONS, answers, limits.unpacked_table_bytes)
    trained = handover.manifest.candidate
    holdout = own.evaluation.holdout
    if holdout.endswith(".csv") and trained and trained.outputs.get(holdout) != file_digest(rows):
        raise bad_handover("its holdout is not the one that its run recorded")
    return rows, answers


def _evaluation(
    court: Court,
    tables: tuple[Path, Path],
    contract: ModelContract,
    candidate: Candidate,
    live: Servable | None,
) -> Evaluation:
    from ci.evaluate.candidate import champion_predictions
    from ci.evaluate.evaluate import evaluate
    from ci.evaluate.outcome import Origin
    from ci.evaluate.table import read_table, require_columns
    from ci.handover.tables import read_predictions

    rows, answers = tables
    shown = f"models/{contract.name}/{contract.evaluation.holdout}"
    table = read_table(rows, shown)
    require_columns(table, contract, shown)
    predictions = read_predictions(answers, contract, len(table))
    log = court.scratch / f"champion-{contract.name}.log"
    theirs, problem = champion_predictions(live, contract, table, log)
    origin = Origin(
        fingerprint=candidate.fingerprint,
        outputs=candidate.outputs,
        holdout_digest=file_digest(rows),
        champion_version=live.version if live else None,
        champion_fingerprint=live.fingerprint if live else None,
        champion_problem=problem,
    )
    return evaluate(contract, table, predictions, theirs, candidate.metrics, origin)


def _changes(base: Repository, judgement: Judgement) -> Changes | None:
    from ci.report.changes import changes, recorded

    if judgement.champion is None:
        return None
    return changes(recorded(base, judgement.champion), judgement.candidate)
