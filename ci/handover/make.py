"""Makes a handover: trains a model, lets it answer the holdout, packages it, and writes it down."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.files import file_digest, write_json
from ci.fingerprint import fingerprint
from ci.handover.failure import failure_of
from ci.handover.manifest import (
    BENTO,
    CONTRACT,
    FORMAT,
    HOLDOUT,
    MANIFEST,
    METRICS,
    PARAMS,
    PREDICTIONS,
    Failure,
    File,
    Manifest,
    Trained,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions
    from ci.handover.manifest import Step
    from ci.package import Packaged
    from ci.repository import Repository

    T = TypeVar("T")


class _StepFailedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass
class _Work:
    """The steps of one model, each with its time; the first that fails ends it."""

    repository: Repository
    name: str
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, step: Step, act: Callable[[], T]) -> T:
        begin = time.monotonic()
        try:
            return act()
        except MlopsError as error:
            failure = failure_of(self.repository, self.name, step, error)
            raise _StepFailedError(failure) from error
        finally:
            self.seconds[step] = round(time.monotonic() - begin, 1)


def make_handover(
    repository: Repository, name: str, head_sha: str, base_sha: str, target: Path
) -> Manifest:
    """Train, ask, package and check model ``name``; write its handover to the folder ``target``.

    A step that fails is no error here: the manifest tells of it.

    Args:
        repository: checkout of the pull request as it would be merged.
        name: the model.
        head_sha: newest commit of the pull request.
        base_sha: commit of the base branch that it was merged into.
        target: new folder of the handover.
    """
    from ci.plan.matrix import language_of

    work = _Work(repository, name)
    target.mkdir(parents=True)
    source = fingerprint(repository, name)
    packaged, failure = None, None
    try:
        packaged = _candidate(work, target)
    except _StepFailedError as stop:
        failure = stop.failure
        shutil.rmtree(target)
        target.mkdir()
    candidate = packaged.candidate if packaged else None
    manifest = Manifest.model_validate(
        {
            "format": FORMAT,
            "model": name,
            "language": language_of(repository, name),
            "head_sha": head_sha,
            "base_sha": base_sha,
            "source": source,
            "fingerprint": candidate.fingerprint if candidate else None,
            "candidate": Trained(**asdict(candidate)) if candidate else None,
            "bento": packaged.bento if packaged else None,
            "bento_digest": packaged.digest if packaged else None,
            "files": {path.name: _file(path) for path in sorted(target.iterdir())},
            "failure": failure,
            "seconds": work.seconds,
        }
    )
    write_json(target / MANIFEST, manifest.model_dump(mode="json"))
    return manifest


def _candidate(work: _Work, target: Path) -> Packaged:
    from ci.handover.conformance import conform
    from ci.handover.tables import write_holdout, write_predictions
    from ci.package import package
    from ci.package.archive import pack
    from ci.pipeline import train

    repository, name = work.repository, work.name
    contract = work.run("check", lambda: _checked_contract(repository, name))
    work.run("train", lambda: train(repository, name, kept=False))
    table, answers = work.run("predict", lambda: _answers(repository, contract))
    packaged = work.run("package", lambda: package(repository, name))
    log = repository.state_dir / "logs" / f"conformance-{name}.log"
    work.run("conformance", lambda: conform(packaged.path, contract, table, answers, log))
    folder = repository.model_dir(name)
    write_holdout(folder / contract.evaluation.holdout, target / HOLDOUT)
    write_predictions(answers, target / PREDICTIONS)
    shutil.copyfile(folder / "model.yaml", target / CONTRACT)
    shutil.copyfile(folder / "metrics.json", target / METRICS)
    if (folder / "params.yaml").is_file():
        shutil.copyfile(folder / "params.yaml", target / PARAMS)
    pack(packaged.path, target / BENTO)
    return packaged


def _checked_contract(repository: Repository, name: str) -> ModelContract:
    from ci.check import check
    from ci.contract.model import load_model_contract
    from ci.yaml_file import ProblemsError

    contract = load_model_contract(repository, name)
    problems = check(repository, name)
    if problems:
        raise ProblemsError("bad_contract", problems)
    return contract


def _answers(repository: Repository, contract: ModelContract) -> tuple[pd.DataFrame, Predictions]:
    from ci.contract.model import ARTIFACT
    from ci.evaluate.candidate import Servable
    from ci.evaluate.predict import predict
    from ci.evaluate.table import read_table, require_columns

    folder = repository.model_dir(contract.name)
    path = folder / contract.evaluation.holdout
    shown = repository.relative(path)
    table = read_table(path, shown)
    require_columns(table, contract, shown)
    servable = Servable(folder / contract.predict_file, folder / ARTIFACT, contract, None, "")
    log = repository.state_dir / "logs" / f"predict-{contract.name}.log"
    return table, predict(servable, table, shown, log)


def _file(path: Path) -> File:
    return File(sha256=file_digest(path), bytes=path.stat().st_size)
