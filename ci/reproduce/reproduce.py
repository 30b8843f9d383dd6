"""Builds a version again and holds it against what was released; what differs is named."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.bundle import ARTIFACT_DIRECTORY, MODEL_DIRECTORY
from ci.console import step
from ci.contract.model import load_model_contract
from ci.files import file_digest
from ci.fingerprint import LOCKS, LOCKS_DIR, RUNNING, Platform, inputs
from ci.reproduce.checkout import bring_data, check_out_commit, run
from ci.reproduce.sample import ask, spread
from ci.reproduce.version import Known, known_version
from ci.toolchain import require, toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.repository import Repository

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was: ``what`` (code, data, lock, …), ``where`` and how."""

    what: str
    where: str
    detail: str


@dataclass(frozen=True)
class Reproduced:
    """What came of it.

    ``same_predictions`` is None where nothing was there to compare with; ``rows`` were compared,
    and ``compared_with`` says with what.
    """

    model: str
    version: int
    commit: str
    same_predictions: bool | None
    same_artifact: bool | None
    same_bento: bool
    rows: int
    compared_with: str
    differences: list[Difference]


def reproduce(repository: Repository, model: str, version: int) -> Reproduced:
    """Build ``version`` of ``model`` again from its commit and the data that it names, and compare.

    Nothing of this checkout is changed.

    Raises:
        MlopsError: ``unknown_version``, ``unknown_commit``, ``lost_data``, ``missing_toolchain`` or
            ``not_rebuilt``.
    """
    known = known_version(repository, model, version)
    with tempfile.TemporaryDirectory(prefix="mlops-reproduce-") as directory:
        folder = Path(directory, "checkout")
        checkout = check_out_commit(repository, known.lineage.commit, folder)
        gone = bring_data(repository, checkout, model)
        contract = load_model_contract(checkout, model)
        require(contract.language)
        with step(f"{model}: training version {version} again from {known.lineage.commit}"):
            run(checkout, "train", model, "--json")
        with step(f"{model}: packaging it again"):
            packaged = json.loads(run(checkout, "package", model, "--json"))
        name, _, mark = packaged["bento"].partition(":")
        bento = checkout.state_dir / "bentoml" / "bentos" / name / mark
        return _compared(repository, checkout, known, Rebuilt(bento, packaged["digest"], gone))


@dataclass(frozen=True)
class Rebuilt:
    """The Bento that was built again, and the data that its stages made again."""

    bento: Path
    digest: str
    made: list[str]


def _compared(
    repository: Repository, checkout: Repository, known: Known, rebuilt: Rebuilt
) -> Reproduced:
    lineage = known.lineage
    name = rebuilt.bento.parent.name
    contract = load_model_contract(checkout, name)
    differences = [
        *_determinants(checkout, name, known),
        *_environment(checkout, contract.language, known),
    ]
    artifact = _artifact(known, rebuilt) if known.bento else None
    same_bento = rebuilt.digest == lineage.digest
    if not same_bento:
        text = f"sha256:{rebuilt.digest}, and was sha256:{lineage.digest}"
        differences.append(Difference("Bento", lineage.bento, text))
    rows, same, against, worst = _predictions(repository, checkout, known, rebuilt)
    return Reproduced(
        model=name,
        version=lineage.version,
        commit=str(lineage.commit),
        same_predictions=same,
        same_artifact=None if artifact is None else not artifact,
        same_bento=same_bento,
        rows=rows,
        compared_with=against,
        differences=[*differences, *(artifact or []), *worst],
    )


def _determinants(checkout: Repository, name: str, known: Known) -> Iterator[Difference]:
    """Code, data, parameters and locks that are not as the version's run recorded them."""
    own = checkout.root / "ci" / "locks"
    found = inputs(checkout, name, Platform.of(checkout.root) if own.is_dir() else RUNNING)
    recorded = known.inputs or known.lineage.data
    for path in sorted(recorded.keys() | (found.keys() if known.inputs else set())):
        if recorded.get(path) != found.get(path):
            was, now = recorded.get(path) or "not there", found.get(path) or "not there"
            yield Difference(_kind(path), path, f"was {was[:40]} and is {now[:40]} at that commit")


def _kind(path: str) -> str:
    if path.startswith("lock "):
        return "lock"
    return "data" if path.startswith("data/") else "code"


def _environment(checkout: Repository, language: str, known: Known) -> Iterator[Difference]:
    """Packages and language of this machine that are not those of then."""
    for lock in LOCKS:
        theirs, ours = checkout.root / "ci" / "locks" / lock, LOCKS_DIR / lock
        if theirs.is_file() and file_digest(theirs) != file_digest(ours):
            text = "this environment was installed from another one than that commit has"
            yield Difference("lock", f"ci/locks/{lock}", text)
    now = toolchain(language)
    if known.toolchain and known.toolchain != now:
        yield Difference("toolchain", language, f"was {known.toolchain} and is {now}")


def _artifact(known: Known, rebuilt: Rebuilt) -> list[Difference]:
    """Files of the artifact whose content is another one."""
    assert known.bento  # noqa: S101 (the caller has looked)
    inside = Path("src", MODEL_DIRECTORY, ARTIFACT_DIRECTORY)
    before, after = _files(known.bento / inside), _files(rebuilt.bento / inside)
    return [
        Difference("artifact", path, _changed(path in before, path in after))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def _changed(before: bool, after: bool) -> str:
    if before and after:
        return "has another content"
    return "is no longer written" if before else "was not there"


def _files(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def _predictions(
    repository: Repository, checkout: Repository, known: Known, rebuilt: Rebuilt
) -> tuple[int, bool | None, str, list[Difference]]:
    """Rows compared, whether the answers are the same, with what, and the first that is not."""
    import pandas as pd

    from ci.evaluate.table import read_table

    contract = load_model_contract(checkout, rebuilt.bento.parent.name)
    if known.sample:
        table = pd.DataFrame(known.sample.rows)
        before = known.sample.answers
        against = "the sample that was stored with the release"
    elif known.bento:
        holdout = checkout.model_dir(contract.name) / contract.evaluation.holdout
        table = spread(read_table(holdout, checkout.relative(holdout)))
        before = ask(repository, contract, known.bento, table)
        against = "its Bento, asked again: no sample was stored"
    else:
        return 0, None, "nothing: neither a sample nor its Bento is there", []
    after = ask(repository, contract, rebuilt.bento, table)
    found = _first_difference(before, after, table)
    return len(table), not found, against, found


def _first_difference(
    before: dict[str, list[Any]], after: dict[str, list[Any]], table: pd.DataFrame
) -> list[Difference]:
    differing = [
        (name, row)
        for name, answers in before.items()
        for row, value in enumerate(answers)
        if not _same(value, after.get(name, [None] * len(table))[row])
    ]
    if not differing:
        return []
    name, row = differing[0]
    text = (
        f"{len(differing)} of {len(table)} answers differ, first in row {row + 1}: was "
        f"{before[name][row]!r} and is {after[name][row]!r}"
    )
    return [Difference("prediction", name, text)]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def in_words(found: Reproduced) -> str:
    """For people."""
    same = {True: "predicts the same", False: "does NOT predict the same", None: "is not compared"}
    lines = [
        f"{found.model}: version {found.version} built again from {found.commit} "
        f"{same[found.same_predictions]}",
        f"  {found.rows} rows compared with {found.compared_with}",
        f"  artifact: {_word(found.same_artifact)}; Bento: {_word(found.same_bento)}",
        *(f"  differs: {each.what} {each.where}: {each.detail}" for each in found.differences),
    ]
    return "\n".join(lines)


def _word(same: bool | None) -> str:
    return {True: "the same, byte by byte", False: "another", None: "not compared"}[same]
