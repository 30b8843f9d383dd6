"""`mlops ci retrain-due`, `retrain`, `tune` and their like: models that learn again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ci.cli.options import Model
from ci.cli.steps.matrix import Answer, put_out
from ci.cli.steps.tokens import tokens


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    app.command("retrain-due")(retrain_due)
    app.command("retrain")(retrain)
    app.command("language")(language)
    app.command("tune")(tune)
    app.command("publish-tune")(publish_tune)


def retrain_due(
    model: Annotated[str, typer.Option(metavar="MODEL", help="Only this one.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why a person asks.")] = "",
) -> None:
    """Say which models are to be retrained now, and why, as the matrix of the jobs that follow."""
    from ci.assets.github import github_of
    from ci.repository import Repository
    from ci.retrain.signs import decisions

    repository = Repository.find()
    found = decisions(repository, github_of(repository), datetime.now(UTC), model, reason)
    jobs = [{"model": each.model, "reasons": json.dumps(each.reasons)} for each in found if each.go]
    answers = [Answer(each.model, each.go, each.said()) for each in found]
    put_out("Retraining", answers, jobs, "No model has a key retraining.")


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


def language(model: Model) -> None:
    """Say what a model is written in, for the job that trains it."""
    from ci.contract.model import load_model_contract
    from ci.github.workflow import set_output
    from ci.repository import Repository

    set_output("language", load_model_contract(Repository.find(), model).language)


def tune(
    model: Model,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write; new.")],
    trials: Annotated[str, typer.Option(help="Most trials; empty: model.yaml's.")] = "",
    minutes: Annotated[str, typer.Option(help="No trial begins later; empty: model.yaml's.")] = "",
) -> None:
    """Search better parameters, and hand over what was found; nothing else is written."""
    import shutil

    from ci.contract.model import load_model_contract
    from ci.files import write_json
    from ci.github.workflow import inert
    from ci.repository import Repository
    from ci.tune import tune as run
    from ci.tune.proposal import FOUND, PLOT, budget_of

    repository = Repository.find()
    budget = budget_of(load_model_contract(repository, model), trials, minutes)
    with inert():
        found = run(repository, model, *budget)
    write_json(output / FOUND, found.model_dump(mode="json"))
    shutil.copyfile(repository.state_dir / "reports" / model / "tune.png", output / PLOT)


def publish_tune(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What the search handed over.")],
) -> None:
    """Keep the trials of a search, and propose its best parameters in a pull request."""
    from ci.github.workflow import add_summary, inert
    from ci.repository import Repository
    from ci.tune.proposal import publish

    github, opener = tokens(keep=True)
    with inert():
        said = publish(Repository.find(), github, opener, model, folder)
        print(said)
    add_summary(said)
