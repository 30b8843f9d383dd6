"""What the job that staged a model hands to the job that releases it: `staged.json` and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ci.contract.base import Contract, Name
from ci.contract.evaluated import Evaluated  # noqa: TC001
from ci.contract.verdict import Verdict  # noqa: TC001 (pydantic reads these at run time)
from ci.errors import MlopsError
from ci.events.event import Measured  # noqa: TC001
from ci.files import read_json, write_json
from ci.handover.manifest import Commit, Digests, Fingerprint, Sha256, Trained  # noqa: TC001
from ci.release.judged import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

RECORD = "staged.json"
BENTO = "bento.tar"
OBJECTS = "objects"


class Staged(Contract):
    """A candidate that passed the gate and answered on staging.

    ``source`` is the fingerprint of main's checkout; ``determinants`` are all digests that the
    candidate follows from; ``data`` is DVC's digest of each file of its datasets; ``why`` says
    why the reviewed candidate was not taken, where it was not. The seconds are of single rows.
    ``committed_at`` is when main got ``commit``, ``measured`` how the candidate did.
    """

    model: Name
    commit: Commit
    source: Fingerprint
    bento: str
    digest: Sha256
    trained: Trained
    determinants: Digests
    data: dict[str, str]
    verdict: Verdict
    evaluation: Evaluated
    champion_version: int | None
    champion_fingerprint: str | None
    candidate: Literal["reviewed", "trained again"]
    why: str | None
    pull: int | None
    median_seconds: float
    slowest_seconds: float
    committed_at: str | None = None
    measured: Measured | None = None


class Failed(Contract):
    """Why a model got no further: the error's code and sentence.

    Where the gate refused it: which candidate by which rule, and how that did.
    """

    model: Name
    code: str
    message: str
    candidate: str | None = None
    rule: str | None = None
    measured: Measured | None = None


def write_staged(folder: Path, staged: Staged) -> None:
    """Write the record of a staged candidate."""
    write_json(folder / RECORD, staged.model_dump(mode="json"))


def read_staged(folder: Path) -> Staged:
    """The record of a staged candidate.

    Raises:
        MlopsError: ``bad_staged``.
    """
    try:
        return Staged.model_validate(read_json(folder / RECORD))
    except ValueError:
        raise MlopsError(
            "bad_staged",
            f"What was staged in {folder.name} has no whole record; run deploy.yml again.",
        ) from None


def write_failed(folder: Path, model: str, error: MlopsError) -> None:
    """Write down in ``folder`` why a model got no further."""
    failed = Failed(model=model, code=error.code, message=error.message)
    if isinstance(error, RefusedError):
        more = {"candidate": error.candidate, "rule": error.rule.rule, "measured": error.measured}
        failed = failed.model_copy(update=more)
    write_json(folder / f"{model}.json", failed.model_dump(mode="json"))


def read_failures(folder: Path) -> dict[str, Failed]:
    """Why models got no further, by model, from all that was written down below ``folder``."""
    found = [Failed.model_validate(read_json(path)) for path in sorted(folder.rglob("*.json"))]
    return {failed.model: failed for failed in found}
