"""Staging: a candidate for what main asks for, judged once more by itself, started and asked.

Nothing here needs a token that may write, since the model's own code runs.
"""

from __future__ import annotations

import gzip
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ci.assets.data import DataStore
from ci.assets.objects import Cache, check_out, objects_of
from ci.console import say, step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.model import ARTIFACT, METRICS, load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.fingerprint import inputs
from ci.git import git
from ci.handover.manifest import Trained
from ci.release.approvals import approval_of
from ci.release.changes import change_of
from ci.release.reviewed import NotTakenError, Taken, Wanted, take
from ci.release.staged import BENTO, OBJECTS, Staged, write_staged
from ci.state.local import state_folder
from ci.toolchain import require

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.evaluate.candidate import Servable
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.package import Packaged
    from ci.repository import Repository


@dataclass(frozen=True)
class Order:
    """What a deployment asks to stage.

    ``source`` is the model's fingerprint on main; ``before`` the commit before the push; ``asked_by``
    who asked for the model by name, if anybody.
    """

    model: str
    source: str
    before: str | None
    asked_by: str | None


@dataclass(frozen=True)
class Origin:
    """Where the candidate in the work tree comes from."""

    candidate: Literal["reviewed", "trained again"]
    why: str | None
    pull: int | None


def stage(repository: Repository, github: GitHub, order: Order, folder: Path, scratch: Path) -> Staged:
    """Get the candidate, judge it against today's champion, start it, and write it to ``folder``.

    Raises:
        MlopsError: ``not_approved``, ``refused``, ``lost_data``, or what training, packaging, the
            target or GitHub say. Nothing that is released has changed.
    """
    contract = load_model_contract(repository, order.model)
    require(contract.language)
    change, pulls = change_of(
        repository, github, state_folder(repository), order.model, order.before
    )
    approval = approval_of(repository, github, change, order.asked_by)
    if approval.problem:
        raise not_approved(order.model, approval.problem)
    origin = _obtain(repository, github, contract, order, pulls, scratch)
    packaged, staged = _judged(repository, contract, order, origin)
    _answers(repository, contract, packaged)
    folder.mkdir(parents=True, exist_ok=True)
    _keep_data(repository, github, contract.name, folder)
    _pack(packaged.path, folder / BENTO)
    write_staged(folder, staged)
    return staged


def not_approved(model: str, problem: str) -> MlopsError:
    """The error for a change without the approvals that the policy asks for."""
    return MlopsError(
        "not_approved",
        f"{model} is not released: {problem} (policies/promotion.yaml: approvals). Somebody else "
        "approves the pull request and runs this again, or runs deploy.yml with the model's name.",
    )


def _obtain(
    repository: Repository,
    github: GitHub,
    contract: ModelContract,
    order: Order,
    pulls: list[Pull],
    scratch: Path,
) -> Origin:
    """Bring the reviewed candidate to the work tree, or train one."""
    from ci.pipeline import train
    from ci.registry.champion import champion

    name = contract.name
    wanted = Wanted.of(name, order.source, champion(repository, name))
    try:
        taken = take(github, pulls, wanted, scratch)
        _put_in_place(repository, contract, taken)
        say(f"{name}: taking the candidate that was reviewed in #{taken.pull}.")
        return Origin("reviewed", None, taken.pull)
    except NotTakenError as error:
        say(f"{name}: training again, since {error}.")
        train(repository, name)
        return Origin("trained again", str(error), pulls[0]["number"] if pulls else None)


def _put_in_place(repository: Repository, contract: ModelContract, taken: Taken) -> None:
    """Make the reviewed candidate that of the work tree: its artifact under main's own code.

    The Bento is built again from main's files and must come out as the very one that was judged,
    so that nothing but the artifact is taken from a stranger.

    Raises:
        NotTakenError: where it is another.
    """
    from bentos.bundle import ARTIFACT_DIRECTORY, MODEL_DIRECTORY
    from ci.package import package
    from ci.pipeline.candidate import output_digests, write_candidate

    folder = repository.model_dir(contract.name)
    trained = taken.manifest.candidate
    assert trained  # noqa: S101 (a handover with a Bento has one)
    source = taken.bento / "src" / MODEL_DIRECTORY / ARTIFACT_DIRECTORY
    shutil.rmtree(folder / ARTIFACT, ignore_errors=True)
    shutil.copytree(source, folder / ARTIFACT)
    _put_holdout(taken.holdout, folder / contract.evaluation.holdout)
    write_json(folder / METRICS, trained.metrics)
    candidate = replace(trained.candidate(), outputs=output_digests(folder, contract))
    write_candidate(repository, candidate)
    try:
        built = package(repository, contract.name)
    except MlopsError as error:
        raise NotTakenError(f"its Bento can't be built from main ({error.message})") from None
    if built.digest != taken.digest:
        shutil.rmtree(built.path)
        raise NotTakenError("main makes another Bento of it than the one that was judged")


def _put_holdout(rows: Path, target: Path) -> None:
    """The rows (CSV) in the format that the contract names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.name.endswith(".gz"):
        target.write_bytes(gzip.compress(rows.read_bytes(), mtime=0))
    elif target.suffix == ".parquet":
        import pandas as pd

        pd.read_csv(rows).to_parquet(target)
    else:
        shutil.copyfile(rows, target)


def _judged(
    repository: Repository, contract: ModelContract, order: Order, origin: Origin
) -> tuple[Packaged, Staged]:
    """The candidate's Bento and record, once the gate has passed it by main's policy."""
    from ci.gate import judgement
    from ci.package import package

    name = contract.name
    found = judgement(repository, name)
    failed = found.verdict.failed()
    if failed:
        raise MlopsError(
            "refused",
            f"The gate refused {name}: {failed[0].rule}: {failed[0].detail} What is released "
            "stays as it is; mend the model, or revert the change, in a pull request.",
        )
    with step(f"{name}: packaging"):
        packaged = package(repository, name)
    return packaged, _record(repository, order, origin, packaged, found.verdict, found.champion)


def _record(
    repository: Repository,
    order: Order,
    origin: Origin,
    packaged: Packaged,
    verdict: object,
    champion: Servable | None,
) -> Staged:
    return Staged.model_validate(
        {
            "model": order.model,
            "commit": git(repository.root, "rev-parse", "HEAD").strip(),
            "source": order.source,
            "bento": packaged.bento,
            "digest": packaged.digest,
            "trained": Trained(**asdict(packaged.candidate)),
            "determinants": inputs(repository, order.model),
            "data": {each.path: each.md5 for each in objects_of(repository, [order.model])},
            "verdict": verdict,
            "champion_version": champion.version if champion else None,
            "champion_fingerprint": champion.fingerprint if champion else None,
            **asdict(origin),
        }
    )


def _answers(repository: Repository, contract: ModelContract, packaged: Packaged) -> None:
    """Start the Bento on this machine and hold it to what callers rely on."""
    from ci.release.probe import probe

    with step(f"{contract.name}: started on staging and asked"):
        probe(repository, contract, packaged, load_policy(repository, DeploymentPolicy).local)


def _keep_data(repository: Repository, github: GitHub, name: str, folder: Path) -> None:
    """Lay the data objects that no release holds yet into ``folder``.

    Raises:
        MlopsError: ``lost_data`` where some can't be had and no stage makes them again.
    """
    objects = objects_of(repository, [name])
    if not objects:
        return
    cache, store = Cache(repository), DataStore(github)
    absent = {each.md5 for each in objects if not store.is_whole(cache, each.md5)}
    _make(repository, cache, [each for each in objects if each.md5 in absent])
    for md5 in sorted(absent):
        for each in (md5, *cache.entries(md5)):
            if not store.has(each):
                (folder / OBJECTS).mkdir(exist_ok=True)
                shutil.copyfile(cache.path(each), folder / OBJECTS / each)
