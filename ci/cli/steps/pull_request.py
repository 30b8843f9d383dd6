"""`mlops ci plan`: the steps from a pull request to its report and status."""

from __future__ import annotations

import json

import typer


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    app.command()(plan)


def plan() -> None:
    """Say which models this pull request touches, as the matrix of the jobs that follow."""
    from ci.console import say
    from ci.github.workflow import set_output
    from ci.plan import plan as touched_by_change
    from ci.plan.matrix import matrix
    from ci.repository import Repository

    repository = Repository.find()
    touched = touched_by_change(repository, "HEAD^1")
    for model in touched:
        say(f"{model.name}: {model.reason}")
    set_output("matrix", json.dumps(matrix(repository, touched)))
    set_output("count", str(len(touched)))
