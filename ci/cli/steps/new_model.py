"""`mlops ci new-model`: from an issue to a pull request with a model's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ci.cli.steps.tokens import tokens

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.scaffold.propose import Proposal


def register(app: typer.Typer) -> None:
    """Add this flow's step to ``app``."""
    app.command("new-model")(new_model)


def new_model() -> None:
    """Make the model that an issue asks for and open its pull request, or answer what is wrong."""
    from ci.errors import MlopsError
    from ci.github import issues
    from ci.github.checks import start_checks
    from ci.github.workflow import add_summary, inert
    from ci.report.markdown import plain
    from ci.repository import Repository
    from ci.scaffold.propose import ANSWERS, propose

    github, opener = tokens()  # stages of datasets run below, and need none
    context, issue = github.context, github.context.event["issue"]
    try:
        _require_writer(github)
        with inert():
            made = propose(Repository.find(), opener, issue["number"], issue["body"])
        if made.new and made.pull and opener is github:
            start_checks(github, made.pull)
        said = _said(github, made)
        new = made.new
    except MlopsError as error:
        known = error.code in ANSWERS
        page = f" See [the run]({context.run_url})." if not known else ""
        issues.comment(github, issue["number"], f"{plain(error.message, 600)}{page}")
        if not known:
            raise
        said, new = plain(error.message, 600), False
    if new:
        issues.comment(github, issue["number"], said)
    add_summary(said)


def _require_writer(github: GitHub) -> None:
    from ci.errors import MlopsError
    from ci.github.collaborators import writers

    if github.context.actor.lower() not in writers(github):
        raise MlopsError(
            "not_allowed",
            "Only people who may write to this repository can have a model's folder made; one of "
            "them can edit this issue, which tries again.",
        )


def _said(github: GitHub, made: Proposal) -> str:
    """What came of it, in one sentence."""
    if made.pull:
        word = "is open" if made.new else "was opened before"
        return f"Pull request #{made.pull['number']} with models/{made.wish.name} {word}."
    context = github.context
    base = context.event["repository"]["default_branch"]
    page = f"{context.server_url}/{context.repository}/compare/{base}...{made.branch}?expand=1"
    return (
        f"models/{made.wish.name} is on a branch: [open the pull request]({page}), since Actions "
        "may not open one here (Settings, Actions, General, 'Allow GitHub Actions to create and "
        "approve pull requests')."
    )
