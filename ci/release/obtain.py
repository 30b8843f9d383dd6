"""A candidate for what main asks for, in the work tree: the reviewed one, or one trained again."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ci.console import say
from ci.contract.model import ARTIFACT, METRICS
from ci.errors import MlopsError
from ci.files import read_yaml_quickly
from ci.release.reviewed import NotTakenError, Taken, Wanted, take

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.repository import Repository


@dataclass(frozen=True)
class Origin:
    """Where the candidate comes from; ``why`` the reviewed one was not taken, where it was not."""

    candidate: Literal["reviewed", "trained again"]
    why: str | None
    pull: int | None


def obtain(
    repository: Repository,
    github: GitHub,
    contract: ModelContract,
    source: str,
    pulls: list[Pull],
    scratch: Path,
) -> Origin:
    """Bring the candidate to the work tree; ``source`` is the model's fingerprint on main.

    Raises:
        MlopsError: what training or GitHub say.
    """
    from ci.pipeline import train
    from ci.registry.champion import champion

    name = contract.name
    try:
        wanted = Wanted.of(name, source, champion(repository, name))
        taken = take(github, pulls, wanted, scratch)
        _put_in_place(repository, contract, taken)
    except NotTakenError as error:
        say(f"{name}: training again, since {error}.")
        train(repository, name, kept=False)
        return Origin("trained again", str(error), pulls[0]["number"] if pulls else None)
    say(f"{name}: taking the candidate that was reviewed in #{taken.pull}.")
    return Origin("reviewed", None, taken.pull)


def _put_in_place(repository: Repository, contract: ModelContract, taken: Taken) -> None:
    """Make the reviewed candidate that of the work tree: its artifact under main's own code.

    The Bento is built again from main's files and must come out as the very one that was judged,
    so that nothing but the artifact is taken from a stranger.

    Raises:
        NotTakenError: where it is another.
    """
    from bentos.bundle import ARTIFACT_DIRECTORY, MODEL_DIRECTORY
    from ci.package import package

    folder = repository.model_dir(contract.name)
    shutil.rmtree(folder / ARTIFACT, ignore_errors=True)
    try:
        artifact = taken.bento / "src" / MODEL_DIRECTORY / ARTIFACT_DIRECTORY
        shutil.copytree(artifact, folder / ARTIFACT)
        _put_holdout(taken.holdout, folder / contract.evaluation.holdout)
        shutil.copyfile(taken.folder / METRICS, folder / METRICS)
        _record(repository, contract, taken)
        built = package(repository, contract.name)
    except (MlopsError, OSError) as error:
        raise NotTakenError(f"its Bento can't be built from main ({error})") from None
    if built.digest != taken.digest:
        shutil.rmtree(built.path)
        raise NotTakenError("main makes another Bento of it than the one that was judged")


def _record(repository: Repository, contract: ModelContract, taken: Taken) -> None:
    """The candidate's record, with what can be known from main's files taken from there."""
    from ci.pipeline.candidate import output_digests, read_metrics, write_candidate

    folder = repository.model_dir(contract.name)
    trained = taken.manifest.candidate
    assert trained  # noqa: S101 (a handover with a Bento has one)
    candidate = replace(
        trained.candidate(),
        outputs=output_digests(folder, contract),
        metrics=read_metrics(folder / METRICS, f"models/{contract.name}/{METRICS}"),
        params=read_yaml_quickly(folder / "params.yaml"),
    )
    write_candidate(repository, candidate)


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
