"""Telling those who approved a version that it went back, where they approved it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ci.assets.github import github_of
from ci.console import say
from ci.errors import MlopsError
from ci.events.log import own_log
from ci.github import issues
from ci.report.markdown import plain
from ci.state.local import state_folder
from ci.state.records import versions

if TYPE_CHECKING:
    from ci.events.event import Draft
    from ci.github.client import GitHub
    from ci.repository import Repository
    from ci.state.records import Release

LABEL = "deployment"


def tell_reviewers(repository: Repository, failure: Draft) -> None:
    """Say on GitHub why a version went back: on its pull request, or in an issue of its own.

    Without a repository on GitHub nobody is; one that does not answer is no reason to fail.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return  # the run itself tells them
    try:
        github = github_of(repository)
    except MlopsError:
        return
    if github.context.token is None:
        say("GITHUB_TOKEN is not set, so that nobody was told of this on GitHub.")
        return
    try:
        _tell(github, failure, _release(repository, failure))
    except MlopsError as error:
        say(f"Nobody could be told of this on GitHub: {error.message}")


def is_known(repository: Repository, failure: Draft) -> bool:
    """Whether the same failure of the same version is an event already, and so was told."""
    told = (failure.kind, failure.model, failure.version, failure.code)
    known = own_log(repository).readable()
    return any((each.kind, each.model, each.version, each.code) == told for each in known)


def _release(repository: Repository, failure: Draft) -> Release | None:
    released = versions(state_folder(repository), failure.model)
    return next((each for each in released if each.version == failure.version), None)


def _tell(github: GitHub, failure: Draft, release: Release | None) -> None:
    text = (
        f"**{failure.model}: version {failure.version} went back by itself.** "
        f"{plain(failure.detail or '', 2000)}\n\nOn the machine of {plain(failure.actor)} callers "
        "reach the version before."
    )
    if release and release.pull:
        names = "".join(f"@{name} " for name in release.approvers)
        issues.comment(github, release.pull, f"{names}{text}")
        say(f"The reviewers were told on pull request #{release.pull}.")
        return
    title = f"{failure.model} went back from version {failure.version}"
    there = [each for each in issues.open_issues(github, LABEL) if each["title"] == title]
    if there:
        issues.comment(github, there[0]["number"], text)
    else:
        issues.create(github, title, text, [LABEL])
    say(f"An issue on GitHub says so: {title}.")
