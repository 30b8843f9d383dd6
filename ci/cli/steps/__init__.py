"""`mlops ci`: the steps of the workflows, one command each."""

from __future__ import annotations

import typer

from ci.cli.steps import batch, clock, data, learn, merge, new_model, pull_request


def register(app: typer.Typer) -> None:
    """Add the steps of every flow to ``app``, as `ci`."""
    steps = typer.Typer(
        help="What the workflows run, a command a step; they need the environment of a job.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for flow in (pull_request, merge, batch, clock, data, learn, new_model):
        flow.register(steps)
    app.add_typer(steps, name="ci")
