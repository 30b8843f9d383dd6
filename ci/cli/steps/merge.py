"""`mlops ci restore` and on: the steps from a merge to a release, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli import restore
from ci.cli.options import Model
from ci.cli.steps.tokens import opener_of

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.context import Context

STAGED = "staged"
IMAGES = "images"
FAILURES = "failures"
Everything = Annotated[str, typer.Option(envvar="PLAN", help="The plan, as merge-plan put it out.")]


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    restore.register(app)
    for step in (merge_plan, stage, image, release, ask_hosts, settle, rollback, reverts):
        app.command()(step)


def merge_plan() -> None:
    """Say which models main asks to be released, as the matrix of the jobs that follow."""
    from ci.console import say
    from ci.github.context import Context
    from ci.github.workflow import set_output
    from ci.release.plan import make_plan
    from ci.repository import Repository

    plan = make_plan(Repository.find(), Context.from_environment())
    for line in [*(f"{each.model}: {each.reason}" for each in plan.models), *plan.notes]:
        say(line)
    set_output("plan", plan.model_dump_json())
    set_output("matrix", json.dumps(plan.matrix()))
    set_output("count", str(len(plan.models)))


def stage(
    model: Model,
    source: Annotated[str, typer.Option(envvar="SOURCE", help="Its fingerprint on main.")],
) -> None:
    """Get a model's candidate, judge it against today's champion, and have it answer."""
    import os

    from ci.errors import MlopsError
    from ci.github.client import GitHub
    from ci.github.context import Context
    from ci.github.workflow import annotate
    from ci.release.plan import request_of
    from ci.release.stage import Order
    from ci.release.stage import stage as run
    from ci.release.staged import write_failed
    from ci.repository import Repository

    context = Context.from_environment()
    github = GitHub(context)
    os.environ.pop("GITHUB_TOKEN", None)  # the model's code runs from here on
    order = Order(model, source, request_of(context))
    try:
        run(Repository.find(), github, order, context.temp / STAGED, context.temp / "scratch")
    except MlopsError as error:
        write_failed(context.temp / FAILURES, model, error)
        annotate("error", None, None, error.message, f"{model} is not released")
        raise typer.Exit(1) from error


def image(model: Model) -> None:
    """Build the image of a staged model and push it to the registry of IMAGE_REGISTRY."""
    from ci.console import say
    from ci.errors import MlopsError
    from ci.github.context import Context
    from ci.github.workflow import annotate
    from ci.release import image as images
    from ci.release.staged import write_failed
    from ci.repository import Repository

    context = Context.from_environment()
    staged = context.temp / STAGED / f"{STAGED}-{model}"
    if not staged.is_dir():
        say(f"{model} was not staged: there is nothing to make an image of.")
        return
    try:
        into = images.registry()
        if into is None:
            raise MlopsError("no_registry", "IMAGE_REGISTRY is not set: no image is asked for.")
        account = images.login(context, into)
        done = images.push_image(Repository.find(), staged, into, account, context.temp / IMAGES)
    except MlopsError as error:
        write_failed(context.temp / FAILURES, model, error)
        annotate("error", None, None, error.message, f"{model} is not released")
        raise typer.Exit(1) from error
    say(f"{model}: pushed {done.name}")


def release() -> None:
    """Register and publish what was staged, and put it in production in the state."""
    from ci.console import say
    from ci.errors import MlopsError
    from ci.github.workflow import annotate
    from ci.release import image as images
    from ci.release.deliver import deliver
    from ci.release.plan import request_of
    from ci.release.staged import write_failed
    from ci.repository import Repository

    context, github = _github()
    failed = False
    for folder in sorted((context.temp / STAGED).glob(f"{STAGED}-*")):
        model = folder.name.removeprefix(f"{STAGED}-")
        try:
            made = context.temp / IMAGES / f"image-{model}"
            image = images.pushed_image(made, folder) if images.registry() else None
            done = deliver(Repository.find(), github, folder, request_of(context), image)
        except MlopsError as error:
            failed = True
            if error.code != "no_image":  # the image's own job has told why
                write_failed(context.temp / FAILURES, model, error)
            annotate("error", None, None, error.message, f"{model} is not released")
        else:
            say(f"{model}: version {done.release.version} is released: {done.url}")
    if failed:
        raise typer.Exit(1)


def ask_hosts() -> None:
    """Have the hosts of HOSTS_SSH look now; exit 1 where one does not serve what it should."""
    import os

    from ci.console import say
    from ci.github.workflow import add_summary, annotate
    from ci.host.reach import ADDRESSES, KEY, KNOWN, addresses_in, reach
    from ci.host.reach import summary as said_of

    given = {name: os.environ.pop(name, "") for name in (ADDRESSES, KEY, KNOWN)}
    hosts = reach(addresses_in(given[ADDRESSES]), given[KEY], given[KNOWN])
    add_summary(said_of(hosts))
    problems = [problem for host in hosts for problem in host.problems()]
    for problem in problems:
        annotate("error", None, None, problem, "A host does not serve what was released")
    if problems:
        raise typer.Exit(1)
    say("Every host serves what it should.")


def settle(plan: Everything = "") -> None:
    """Bring issues, releases and the state in step with what happened, and sum it up."""
    from ci.github.workflow import add_summary
    from ci.release.plan import Plan, request_of
    from ci.release.settle import settle as run
    from ci.release.settle import summary, unplanned
    from ci.release.staged import read_failures
    from ci.repository import Repository

    context, github = _github()
    if not plan:
        add_summary(unplanned(github))
        return
    planned = Plan.model_validate_json(plan)
    told = read_failures(context.temp / FAILURES)
    found = run(Repository.find(), github, planned, told, request_of(context))
    add_summary(summary(planned, found, github))


def rollback(model: Model) -> None:
    """Put a model's previous version back in production, pin it, and ask for a revert."""
    from ci.actor import NO_REASON
    from ci.github.workflow import add_summary
    from ci.release.go_back import go_back, number_of, said
    from ci.release.plan import branch_of
    from ci.release.revert import open_revert
    from ci.repository import Repository

    context, github = _github()
    given = context.event.get("inputs") or {}
    version, reason = str(given.get("version") or ""), str(given.get("reason") or NO_REASON)
    repository = Repository.find()
    done = go_back(repository, github, model, number_of(version), reason, context.actor)
    add_summary(said(done))
    by = f"@{context.actor}"
    asked = open_revert(repository, github, opener_of(github), done, branch_of(context), by)
    add_summary(asked.said())


def reverts() -> None:
    """Ask for the revert of each rollback that a host made, once, and tell its reviewers."""
    from ci.github.workflow import add_summary
    from ci.release.plan import branch_of
    from ci.release.reverts import open_reverts
    from ci.repository import Repository

    context, github = _github()
    made = open_reverts(Repository.find(), github, opener_of(github), branch_of(context))
    lines = [f"- {done.now.model}: {asked.said()}" for done, asked in made]
    add_summary("\n".join(lines) or "No rollback waits for its revert.")


def _github() -> tuple[Context, GitHub]:
    from ci.github.client import GitHub
    from ci.github.context import Context

    context = Context.from_environment()
    return context, GitHub(context)
