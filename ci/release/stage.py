"""Staging: a candidate for what main asks for, judged once more by itself, started and asked.

The model's own code runs here, so that this needs no token that may write.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ci.assets.keep import lay_by
from ci.assets.objects import objects_of
from ci.console import step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.fingerprint import inputs
from ci.git import commit_time, git
from ci.handover.manifest import Trained
from ci.package.archive import pack
from ci.release.approvals import approval_of
from ci.release.changes import change_of
from ci.release.judged import RefusedError, measured
from ci.release.obtain import Origin, obtain
from ci.release.staged import BENTO, OBJECTS, Staged, write_staged
from ci.reproduce.sample import FILE as SAMPLE
from ci.reproduce.sample import keep_sample
from ci.state.local import state_folder
from ci.toolchain import require

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.gate import Judgement
    from ci.github.client import GitHub
    from ci.package import Packaged
    from ci.release.approvals import Approval
    from ci.release.due import Request
    from ci.repository import Repository
    from ci.targets.rehearsal import Rehearsed

ASKED_ROWS = 20


@dataclass(frozen=True)
class Order:
    """What a deployment asks to stage.

    ``source`` is the model's fingerprint on main.
    """

    model: str
    source: str
    request: Request


def stage(
    repository: Repository, github: GitHub, order: Order, folder: Path, scratch: Path
) -> Staged:
    """Get the candidate, judge it against today's champion, start it, and write it to ``folder``.

    Raises:
        MlopsError: ``not_approved``, ``refused``, or what training, packaging, the target, the data
            or GitHub say. Nothing that is released has changed.
    """
    name = order.model
    contract = load_model_contract(repository, name)
    require(contract.language)
    state = state_folder(repository)
    change, pulls = change_of(repository, github, state, name, order.request)
    approval = approval_of(repository, github, change, order.request)
    if approval.problem:
        raise not_approved(name, approval)
    origin = obtain(repository, github, contract, order.source, pulls, scratch)
    judgement = _passed(repository, name)
    packaged = _packaged(repository, name)
    rehearsed = _rehearsed(repository, contract, packaged)
    folder.mkdir(parents=True, exist_ok=True)
    lay_by(repository, github, name, folder / OBJECTS)
    pack(packaged.path, folder / BENTO)
    keep_sample(repository, contract, packaged.path, folder / SAMPLE)
    staged = _record(repository, order, origin, packaged, judgement, rehearsed)
    write_staged(folder, staged)
    return staged


def not_approved(model: str, found: Approval) -> MlopsError:
    """The error for a change without the approvals that the policy asks for."""
    return MlopsError(
        "not_approved",
        f"{model} is not released: {found.problem} (approvals in policies/promotion.yaml). "
        f"{found.remedy}",
    )


def _passed(repository: Repository, name: str) -> Judgement:
    """The verdict computed from the model itself, by main's contract and policy."""
    from ci.gate import judgement

    found = judgement(repository, name)
    if found.verdict.failed():
        raise RefusedError(
            found,
            "What is released stays as it is; mend the model, or revert the change, in a pull "
            "request.",
        )
    return found


def _packaged(repository: Repository, name: str) -> Packaged:
    from ci.package import package

    with step(f"{name}: packaging"):
        return package(repository, name)


def _rehearsed(repository: Repository, contract: ModelContract, packaged: Packaged) -> Rehearsed:
    from ci.evaluate.table import read_table, values
    from ci.targets.rehearsal import rehearse

    path = repository.model_dir(contract.name) / contract.evaluation.holdout
    table = read_table(path, repository.relative(path)).head(ASKED_ROWS)
    columns = {name: values(table[name], column.type) for name, column in contract.input.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    policy = load_policy(repository, DeploymentPolicy).local
    with step(f"{contract.name}: started on staging and asked"):
        return rehearse(repository, contract, packaged.bento, rows, policy)


def _record(
    repository: Repository,
    order: Order,
    origin: Origin,
    packaged: Packaged,
    judgement: Judgement,
    rehearsed: Rehearsed,
) -> Staged:
    from ci.evaluate.short import in_short

    champion = judgement.champion
    commit = git(repository.root, "rev-parse", "HEAD").strip()
    return Staged(
        model=order.model,
        commit=commit,
        source=order.source,
        bento=packaged.bento,
        digest=packaged.digest,
        trained=Trained(**asdict(packaged.candidate)),
        determinants=inputs(repository, order.model),
        data={each.path: each.md5 for each in objects_of(repository, [order.model])},
        verdict=judgement.verdict,
        evaluation=in_short(judgement.contract, judgement.evaluation),
        champion_version=champion.version if champion else None,
        champion_fingerprint=champion.fingerprint if champion else None,
        candidate=origin.candidate,
        why=origin.why,
        pull=origin.pull,
        median_seconds=rehearsed.median_seconds,
        slowest_seconds=rehearsed.slowest_seconds,
        committed_at=commit_time(repository.root, commit),
        measured=measured(judgement.contract, judgement.evaluation),
    )
