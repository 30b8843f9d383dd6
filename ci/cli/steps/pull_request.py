"""`mlops ci plan` and on: the steps from a pull request to its report and status."""

from __future__ import annotations

import json

import typer

from ci.cli.options import Model

ANNOTATIONS = 10  # GitHub shows no more of a step


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    for step in (plan, candidate, announce, review, publish):
        app.command()(step)


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


def candidate(model: Model) -> None:
    """Train, package and check a model, and write its handover; exit 1 if a step failed."""
    from ci.check import check
    from ci.git import git
    from ci.github.context import Context
    from ci.github.workflow import annotate
    from ci.handover.make import make_handover
    from ci.repository import Repository

    repository, context = Repository.find(), Context.from_environment()
    base, head = git(repository.root, "rev-parse", "HEAD^1", "HEAD^2").split()
    made = make_handover(repository, model, head, base, context.temp / "handover")
    if made.failure:
        failure = made.failure
        text = f"{failure.message}\n{failure.advice}"
        annotate("error", failure.file, failure.line, text, f"{model}: {failure.step}")
        if failure.step == "check":
            for problem in check(repository, model)[1:ANNOTATIONS]:
                annotate("error", problem.file, problem.line, problem.problem, problem.key or None)
        raise typer.Exit(1)


def announce() -> None:
    """Say on a pull request what is known before it is judged, and whether it has to be."""
    from ci.github.client import GitHub
    from ci.github.context import Context
    from ci.github.workflow import set_output
    from ci.repository import Repository
    from ci.review.flow import announce as say_first

    for name, value in say_first(GitHub(Context.from_environment()), Repository.find()).items():
        set_output(name, value)


def review() -> None:
    """Judge what a pull request handed over, without a token that may write."""
    from ci.github.client import GitHub
    from ci.github.context import Context
    from ci.github.workflow import inert
    from ci.repository import Repository
    from ci.review.review import review as judge

    context = Context.from_environment()
    with inert():
        judge(GitHub(context), Repository.find(), context.temp / "review")


def publish() -> None:
    """Post the report and the verdict of a pull request, and ask its reviewers."""
    from ci.github.client import GitHub
    from ci.github.context import Context
    from ci.repository import Repository
    from ci.review.flow import publish as post

    post(GitHub(Context.from_environment()), Repository.find())
