"""`mlops ci data-due` and `data-refresh`: new data by the clock, as pull requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from ci.cli.steps.matrix import Answer, put_out
from ci.cli.steps.tokens import tokens

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a folder in data/.")]


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    app.command("data-due")(data_due)
    app.command("data-refresh")(data_refresh)


def data_due(
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="Only this one, due or not; empty: those due.")
    ] = "",
) -> None:
    """Say which datasets' sources are to be read now, as the matrix of the jobs that follow."""
    from ci.assets.github import github_of
    from ci.dataset.due import due_datasets
    from ci.repository import Repository

    repository = Repository.find()
    found = due_datasets(repository, github_of(repository), datetime.now(UTC), dataset)
    jobs = [{"dataset": each.dataset} for each in found if each.go]
    answers = [Answer(each.dataset, each.go, each.reason) for each in found]
    put_out("New data", answers, jobs, "No dataset has a key refresh.")


def data_refresh(name: Name) -> None:
    """Make the new rows of a dataset its next version, and ask for it in a pull request."""
    from ci.dataset.propose import propose_refresh
    from ci.github.workflow import add_summary, inert
    from ci.repository import Repository

    github, opener = tokens()
    with inert():
        asked = propose_refresh(Repository.find(), github, opener, name)
    print(asked.said())
    add_summary(asked.said())
