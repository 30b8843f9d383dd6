"""`mlops ci retrain-due` and `retrain`: models that learn again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from ci.cli.options import Model
from ci.cli.steps.tokens import tokens


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    app.command("retrain-due")(retrain_due)
    app.command("retrain")(retrain)


def retrain_due(
    model: Annotated[str, typer.Option(metavar="MODEL", help="Only this one.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why a person asks.")] = "",
) -> None:
    """Say which models are to be retrained now, and why, as the matrix of the jobs that follow."""
    from ci.assets.github import github_of
    from ci.github.workflow import add_summary, set_output
    from ci.report.markdown import plain, table
    from ci.repository import Repository
    from ci.retrain.signs import decisions

    repository = Repository.find()
    found = decisions(repository, github_of(repository), datetime.now(UTC), model, reason)
    jobs = [{"model": each.model, "reasons": json.dumps(each.reasons)} for each in found if each.go]
    set_output("matrix", json.dumps({"include": jobs}))
    set_output("count", str(len(jobs)))
    for each in found:
        print(f"{each.model}: {'now' if each.go else 'not now'}: {each.said()}.")
    rows = [[each.model, "yes" if each.go else "no", plain(each.said(), 500)] for each in found]
    shown = table(["model", "now", "why"], rows) if rows else "No model has a key retraining."
    add_summary(f"### Retraining\n\n{shown}")


def retrain(
    model: Model,
    reasons: Annotated[str, typer.Option(metavar="JSON", help="As retrain-due put them out.")],
) -> None:
    """Move a model's window to the newest data, and ask for that in a pull request."""
    from ci.github.workflow import add_summary, inert
    from ci.repository import Repository
    from ci.retrain.request import request

    github, opener = tokens()
    now = datetime.now(UTC)
    with inert():
        done = request(Repository.find(), github, opener, model, json.loads(reasons), now)
    print(f"{model}: {done.said()}")
    add_summary(f"**{model}**: {done.said()}")
