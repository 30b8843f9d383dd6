"""The command line's commands, in the order in which people meet them."""

from __future__ import annotations

import typer

from ci.cli import (
    access,
    audit,
    batch,
    data,
    demo,
    host,
    images,
    judge,
    keys,
    label,
    manifests,
    models,
    monitor,
    new,
    observe,
    pipeline,
    release,
    restore,
    retrain,
    steps,
    tune,
)

app = typer.Typer(
    name="mlops",
    help="Train, judge, package, deploy and watch the models of this repository.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for room in (
    demo,
    models,
    new,
    data,
    pipeline,
    tune,
    retrain,
    label,
    judge,
    keys,
    release,
    host,
    images,
    manifests,
    restore,
    audit,
    batch,
    monitor,
    observe,
    access,
    steps,
):
    room.register(app)


@app.callback()
def _options() -> None:
    """Acts on the repository that contains the current directory."""
