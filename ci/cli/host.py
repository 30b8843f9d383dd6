"""`mlops host`."""

from __future__ import annotations

from typing import Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit, table

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in policies/deployment.yaml.")]
Once = Annotated[
    bool, typer.Option("--once", help="Look once, and end; where this host runs, it looks now.")
]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", help="Between two looks.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Take the name of a host whose machine is gone.")
]
Systemd = Annotated[
    bool, typer.Option("--systemd", help="Print the systemd unit that runs it, and do nothing.")
]


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(host)


def host(
    name: Name,
    once: Once = False,
    every: Every = 30.0,
    replace: Replace = False,
    systemd: Systemd = False,
    json: Json = False,
) -> None:
    """Make this machine serve what was released, and keep it so."""
    from ci.repository import Repository

    repository = Repository.find()
    if systemd:
        from ci.host.unit import unit

        print(unit(repository, name), end="")
        return
    from ci.console import say
    from ci.host.run import host as run

    record, problems = run(repository, name, once=once, every=every, replace=replace)
    for other in problems[1:]:
        say(other.message)
    if problems:
        raise problems[0]
    shown = record.model_dump(mode="json", include={"name", "at", "models"})
    rows = [{"model": model, **served} for model, served in shown["models"].items()]
    for served in shown["models"].values():
        del served["problem"]
    text = table(rows, ["model", "should", "version", "state", "since"])
    emit(shown, text if rows else f"{name} has nothing to serve yet.", json)
