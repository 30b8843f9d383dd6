"""The candidate that a pull request made and reviewers saw, where it may be taken as it is.

The verdict is trusted only from a run of report.yml on the default branch. The handover is made by
the pull request's own jobs: it is a stranger's until its Bento has the digest of that verdict.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.files import file_digest
from ci.github.artifacts import artifacts_of_run, download, find_artifacts
from ci.github.runs import run
from ci.handover.manifest import BENTO, HOLDOUT
from ci.handover.read import LIMITS, read_handover
from ci.review.trusted import WORKFLOW as REPORT
from ci.review.trusted import made_by_report, made_by_workflow
from ci.review.verdict import Reviewed, ReviewedModel
from ci.trust.attested import require_attested

if TYPE_CHECKING:
    from pathlib import Path

    from ci.evaluate.candidate import Servable
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.handover.manifest import Manifest

TRAINING = ".github/workflows/pull-request.yml"
VERDICT_FILE = "verdict.json"
VERDICT_BYTES = 4 << 20


@dataclass(frozen=True)
class Wanted:
    """What main asks for: the model's fingerprint in its checkout, and today's champion."""

    model: str
    source: str
    champion_version: int | None
    champion_fingerprint: str | None

    @classmethod
    def of(cls, model: str, source: str, champion: Servable | None) -> Wanted:
        """The same, given the champion."""
        if champion is None:
            return cls(model, source, None, None)
        return cls(model, source, champion.version, champion.fingerprint)


@dataclass(frozen=True)
class Taken:
    """A reviewed candidate: its handover's ``folder``, its Bento unpacked, its holdout as CSV."""

    pull: int
    manifest: Manifest
    folder: Path
    digest: str
    bento: Path
    holdout: Path


class NotTakenError(Exception):
    """Why there is no reviewed candidate to take: a clause for people."""


def take(github: GitHub, pulls: list[Pull], wanted: Wanted, scratch: Path) -> Taken:
    """The reviewed candidate of the newest of ``pulls`` that still holds.

    Raises:
        NotTakenError: where there is none, with the reason of the newest one.
        MlopsError: what GitHub says.
    """
    reasons = []
    for pull in pulls:
        try:
            reviewed = verdict_of(github, pull, scratch)
            judged = judged_of(reviewed, wanted)
            return _handover(github, reviewed, judged, scratch / str(pull["number"]))
        except NotTakenError as error:
            reasons.append(f"#{pull['number']}: {error}")
    raise NotTakenError(reasons[0] if reasons else "no pull request brought it to main")


def verdict_of(github: GitHub, pull: Pull, scratch: Path) -> Reviewed:
    """The newest verdict on the head of a pull request.

    Raises:
        NotTakenError: expired, never written, not written by report.yml, or not attested.
    """
    head = pull["head"]["sha"]
    for artifact in find_artifacts(github, f"verdict-{head}"):
        if not made_by_report(github, artifact):
            continue
        path = scratch / f"verdict-{artifact['id']}.zip"
        download(github, artifact["id"], path, VERDICT_BYTES)
        reviewed = _read_verdict(github, path)
        if (reviewed.pull, reviewed.head_sha) == (pull["number"], head):
            return reviewed
    raise NotTakenError("its verdict has expired or was never written")


def _read_verdict(github: GitHub, path: Path) -> Reviewed:
    file = path.with_suffix(".json")
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(VERDICT_FILE).file_size > VERDICT_BYTES:
                raise NotTakenError("its verdict is too large")
            file.write_bytes(archive.read(VERDICT_FILE))
        require_attested(github, file, REPORT)
        return Reviewed.model_validate_json(file.read_bytes())
    except MlopsError as error:
        raise NotTakenError(error.message.rstrip(".")) from None
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise NotTakenError(f"its verdict can't be read ({type(error).__name__})") from None


def judged_of(reviewed: Reviewed, wanted: Wanted) -> ReviewedModel:
    """What the verdict says of the wanted model, where it still holds.

    Raises:
        NotTakenError: where it does not.
    """
    judged = next((each for each in reviewed.models if each.model == wanted.model), None)
    if judged is None or judged.bento_digest is None:
        raise NotTakenError("its verdict names no candidate of this model")
    if judged.source != wanted.source:
        raise NotTakenError("main is not what was judged: something else was merged, too")
    if (judged.champion_version, judged.champion_fingerprint) != (
        wanted.champion_version,
        wanted.champion_fingerprint,
    ):
        was, now = _named(judged.champion_version), _named(wanted.champion_version)
        raise NotTakenError(f"it was judged against {was}, and now {now} is in production")
    if judged.verdict != "pass":
        raise NotTakenError("it was merged though its verdict is fail")
    return judged


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _handover(github: GitHub, reviewed: Reviewed, judged: ReviewedModel, scratch: Path) -> Taken:
    """The handover that the verdict is about, from the very run that it names."""
    _require_run(github, reviewed)
    name = f"handover-{judged.model}"
    found = [each for each in artifacts_of_run(github, reviewed.run_id) if each["name"] == name]
    live = sorted((each["id"] for each in found if not each["expired"]), reverse=True)
    if not live:
        raise NotTakenError("its candidate has expired")
    archive = scratch / f"{name}.zip"
    try:
        download(github, live[0], archive, LIMITS.zip_bytes)
        handover = read_handover(archive, scratch / name)
        manifest = handover.manifest
        if (manifest.model, manifest.head_sha) != (judged.model, reviewed.head_sha):
            raise NotTakenError("its handover is of another model or commit")
        bento, digest = _bento(handover.folder / BENTO, scratch / "bento")
        if not digest == judged.bento_digest == manifest.bento_digest:
            raise NotTakenError("its Bento is not the one that was judged")
        holdout = _holdout(handover.folder / HOLDOUT, scratch / "holdout.csv")
        if judged.holdout_digest not in (None, file_digest(holdout)):
            raise NotTakenError("its holdout is not the one that was judged")
    except MlopsError as error:
        raise NotTakenError(f"its handover can't be taken ({error.message})") from None
    return Taken(reviewed.pull, manifest, handover.folder, digest, bento, holdout)


def _require_run(github: GitHub, reviewed: Reviewed) -> None:
    """The run whose artifacts were judged is one of pull-request.yml, here, for that commit."""
    made = run(github, reviewed.run_id)
    same = made["head_sha"] == reviewed.head_sha
    if not (same and made_by_workflow(github, made, TRAINING)):
        raise NotTakenError("its candidate is of a run of another workflow, commit or repository")


def _bento(archive: Path, folder: Path) -> tuple[Path, str]:
    from bentos.build import bento_digest
    from ci.package.archive import unpack

    unpack(archive, folder)
    return folder, bento_digest(folder)


def _holdout(packed: Path, target: Path) -> Path:
    from ci.handover.tables import unzip_table

    unzip_table(packed, target, LIMITS.unpacked_table_bytes)
    return target
