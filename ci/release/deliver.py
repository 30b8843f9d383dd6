"""One staged model, looked at again where no model code ever ran, and released."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.fingerprint import fingerprint
from ci.git import git
from ci.release.approvals import approval_of
from ci.release.changes import change_of
from ci.release.publish import Released, publish
from ci.release.reviewed import NotTakenError, Wanted, judged_of, verdict_of
from ci.release.stage import not_approved
from ci.release.staged import Staged, read_staged
from ci.state.local import fetch, state_folder
from ci.state.records import released

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.release.due import Request
    from ci.repository import Repository


def deliver(
    repository: Repository,
    github: GitHub,
    folder: Path,
    request: Request,
    image: str | None = None,
) -> Released:
    """Release what was staged in ``folder``, if it is approved and, where it says so, reviewed.

    ``image`` is where its image was pushed to, if it was.

    Raises:
        MlopsError: ``bad_staged``, ``not_approved``, ``not_reviewed``, or as `publish`.
    """
    staged = read_staged(folder)
    fetch(repository)
    state = state_folder(repository)
    change, pulls = change_of(repository, github, state, staged.model, request)
    approval = approval_of(repository, github, change, request)
    if approval.problem:
        raise not_approved(staged.model, approval)
    wanted = _wanted(repository, state, staged)
    if staged.candidate == "reviewed":
        _require_reviewed(github, pulls, staged, wanted)
    return publish(repository, github, staged, folder, approval, request, image)


def _wanted(repository: Repository, state: Path, staged: Staged) -> Wanted:
    """What main asks for, which what was staged must be: nothing of an older commit comes back."""
    commit = git(repository.root, "rev-parse", "HEAD").strip()
    source = fingerprint(repository, staged.model)
    if (staged.commit, staged.source) != (commit, source):
        raise MlopsError(
            "bad_staged",
            f"What was staged of {staged.model} is of another commit than {commit[:10]}, which is "
            "deployed; run deploy.yml again.",
        )
    live = released(state, staged.model)
    return Wanted(
        staged.model, source, live.version if live else None, live.fingerprint if live else None
    )


def _require_reviewed(github: GitHub, pulls: list[Pull], staged: Staged, wanted: Wanted) -> None:
    """The digest stands in a verdict that report.yml wrote, and that still holds."""
    pull = next((each for each in pulls if each["number"] == staged.pull), None)
    with tempfile.TemporaryDirectory(prefix="mlops-verdict-") as directory:
        try:
            if pull is None:
                raise NotTakenError("it names a pull request that did not change this model")
            judged = judged_of(verdict_of(github, pull, Path(directory)), wanted)
        except NotTakenError as error:
            raise _not_reviewed(staged, str(error)) from None
    if judged.bento_digest != staged.digest:
        raise _not_reviewed(staged, "its digest is not in the verdict")


def _not_reviewed(staged: Staged, why: str) -> MlopsError:
    return MlopsError(
        "not_reviewed",
        f"What was staged of {staged.model} calls itself reviewed, but {why}; run deploy.yml "
        "again.",
    )
