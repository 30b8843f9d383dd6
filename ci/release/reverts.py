"""Rollbacks that hosts made: a pull request for each, and a word where it was reviewed.

A host may write nothing but the state branch; so this is a workflow's, which reads its pins there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.assets.github import github_of
from ci.console import say
from ci.errors import MlopsError
from ci.github import issues
from ci.github.pulls import has_pull
from ci.release.due import holds
from ci.release.revert import Revert, WentBack, branch_of_pin, open_revert
from ci.report.markdown import plain
from ci.state.local import fetch, state_folder
from ci.state.records import all_pins, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.github.client import GitHub
    from ci.repository import Repository

EVENT = "rolled-back"


def call_for_reverts(repository: Repository) -> None:
    """Have GitHub start `revert.yml`; without a token, or an answer, its schedule finds the pin."""
    try:
        github = github_of(repository)
        if github.context.token:
            github.post(f"{github.repo}/dispatches", {"event_type": EVENT}, once=True)
    except MlopsError as error:
        if error.code != "no_github":
            say(f"revert.yml could not be started now, and looks for itself later: {error.message}")


def open_reverts(
    repository: Repository, github: GitHub, opener: GitHub, base: str
) -> list[tuple[WentBack, Revert]]:
    """Ask for the revert of every pin that main's files still go against, each once.

    One that a person closed stays closed.

    Raises:
        MlopsError: ``state_unreachable``, or as `open_revert`.
    """
    fetch(repository)
    found = []
    for done in _rollbacks(repository):
        if has_pull(github, branch_of_pin(done.pin)):
            continue
        by = plain(done.pin.by)
        asked = open_revert(repository, github, opener, done, base, by)
        if asked.url and (asked.pushed or asked.opened):
            _tell(github, done, asked)
            found.append((done, asked))
    return found


def _rollbacks(repository: Repository) -> Iterator[WentBack]:
    state = state_folder(repository)
    for pin in all_pins(state):
        if pin.model not in repository.model_names() or not holds(repository, pin):
            continue  # main has something else by now, which passes the pin
        known = {each.version: each for each in versions(state, pin.model)}
        if pin.version in known and pin.left in known:
            yield WentBack(known[pin.left], known[pin.version], pin)


def _tell(github: GitHub, done: WentBack, asked: Revert) -> None:
    """On the pull request that brought the version, to those who approved it."""
    if done.left.pull is None:
        return  # the revert itself names them
    names = "".join(f"@{name} " for name in done.left.approvers)
    text = (
        f"{names}**{done.now.model} went back from version {done.left.version} to "
        f"{done.now.version}.** {plain(done.pin.by)}: {plain(done.pin.reason, 1000)}\n\n"
        f"{asked.said()}"
    )
    issues.comment(github, done.left.pull, text)
