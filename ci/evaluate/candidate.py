"""`mlops evaluate`: the candidate and the champion predict the holdout, and are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.console import say, step
from ci.contract.model import ARTIFACT, load_model_contract
from ci.errors import MlopsError
from ci.evaluate.outcome import Evaluation, Origin
from ci.evaluate.table import read_table, require_columns
from ci.files import read_json, write_json
from ci.pipeline.candidate import Candidate, candidate_dir, current_candidate

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions
    from ci.repository import Repository


@dataclass(frozen=True)
class Servable:
    """A model that can predict; ``version`` is None for a candidate."""

    predict_file: Path
    artifact: Path
    contract: ModelContract
    version: int | None
    fingerprint: str


def evaluate_model(repository: Repository, name: str) -> Evaluation:
    """Judge the current candidate of ``name`` and write what was found to `evaluation.json`.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``no_candidate``, ``outdated_candidate``,
            ``bad_table``, ``bad_predictions`` or what the runner says.
    """
    from ci.registry.champion import champion

    contract = load_model_contract(repository, name)
    candidate = current_candidate(repository, contract)
    return _evaluate(repository, contract, candidate, champion(repository, name))


def current_evaluation(
    repository: Repository,
    contract: ModelContract,
    candidate: Candidate,
    champion: Servable | None,
) -> Evaluation:
    """The recorded evaluation if it is of this candidate against this champion, else a new one.

    Raises:
        MlopsError: as ``evaluate_model``.
    """
    recorded = read_evaluation(repository, contract.name)
    if recorded is not None and is_current(recorded, candidate, champion):
        return recorded
    return _evaluate(repository, contract, candidate, champion)


def is_current(evaluation: Evaluation, candidate: Candidate, champion: Servable | None) -> bool:
    """Whether ``evaluation`` is of exactly this candidate against exactly this champion."""
    origin = evaluation.origin
    versions = (champion.version, champion.fingerprint) if champion else (None, None)
    return (
        origin.fingerprint == candidate.fingerprint
        and origin.outputs == candidate.outputs
        and (origin.champion_version, origin.champion_fingerprint) == versions
    )


def read_evaluation(repository: Repository, name: str) -> Evaluation | None:
    """The newest recorded evaluation, whether or not it still holds."""
    record = read_json(candidate_dir(repository, name) / "evaluation.json")
    try:
        return Evaluation.model_validate(record) if record else None
    except ValueError:  # written by an older version of the platform
        return None


def _evaluate(
    repository: Repository,
    contract: ModelContract,
    candidate: Candidate,
    champion: Servable | None,
) -> Evaluation:
    from ci.evaluate.evaluate import evaluate
    from ci.evaluate.predict import predict

    name = contract.name
    folder = repository.model_dir(name)
    path = folder / contract.evaluation.holdout
    table = read_table(path, repository.relative(path))
    require_columns(table, contract, repository.relative(path))
    mine = Servable(
        folder / contract.predict_file, folder / ARTIFACT, contract, None, candidate.fingerprint
    )
    log = repository.state_dir / "logs" / f"evaluate-{name}.log"
    with step(f"{name}: predicting {len(table):,} holdout rows with the candidate"):
        predictions = predict(mine, table, repository.relative(path), log)
    theirs, problem = champion_predictions(champion, contract, table, log)
    origin = Origin(
        fingerprint=candidate.fingerprint,
        outputs=candidate.outputs,
        holdout_digest=candidate.outputs[contract.evaluation.holdout],
        champion_version=champion.version if champion else None,
        champion_fingerprint=champion.fingerprint if champion else None,
        champion_problem=problem,
    )
    with step(f"{name}: comparing, with intervals over {contract.evaluation.unit}"):
        found = evaluate(contract, table, predictions, theirs, candidate.metrics, origin)
    write_json(candidate_dir(repository, name) / "evaluation.json", found.model_dump(mode="json"))
    return found


def champion_predictions(
    champion: Servable | None, contract: ModelContract, table: pd.DataFrame, log: Path
) -> tuple[Predictions | None, str | None]:
    """What the champion answers, or why it can't be compared."""
    from ci.evaluate.predict import predict

    if champion is None:
        return None, None
    problem = _incomparable(champion.contract, contract, table)
    if problem is None:
        try:
            with step(f"{contract.name}: predicting with version {champion.version}, the champion"):
                return predict(champion, table, "the holdout", log), None
        except MlopsError as error:
            problem = f"version {champion.version} can't predict these rows: {error.message}"
    say(f"{contract.name}: {problem}")
    return None, problem


def _incomparable(old: ModelContract, new: ModelContract, table: pd.DataFrame) -> str | None:
    absent = [column for column in old.input if column not in table.columns]
    if absent:
        return f"the champion needs the input {absent[0]}, which the holdout no longer has"
    if old.task != new.task:
        return f"the champion's task is {old.task}, the candidate's is {new.task}"
    return None
