"""`mlops doctor`, `logs` and `observe`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import dumps, emit


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    for command in (doctor, logs, observe):
        app.command()(command)


def doctor(json: Json = False) -> None:
    """Say what is wrong on this machine, and what to type; exit code 1 where something is."""
    from ci.doctor import AREAS, examine
    from ci.repository import Repository

    found = examine(Repository.find())
    result = {
        "well": not found,
        "looked_at": list(AREAS),
        "findings": [{**asdict(each), "sentence": each.sentence} for each in found],
    }
    text = "\n".join(each.sentence for each in found)
    emit(result, text or f"All is well: {', '.join(AREAS)}.", json)
    raise typer.Exit(1 if found else 0)


def logs(
    model: Model,
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of each.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="ID", help="All of one call: its X-Request-ID."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a model's service here printed and the calls it answered, newest last."""
    from ci.observe import logs as read
    from ci.repository import Repository

    if follow and (json or request):
        raise typer.BadParameter("--follow goes with neither --json nor --request")
    repository = Repository.find()
    if follow:
        with suppress(KeyboardInterrupt, BrokenPipeError):
            for line in read.follow(repository, model, lines):
                print(line, flush=True)
        return
    if request is not None:
        found = read.of_id(repository, model, request)
    else:
        found = read.last(repository, model, lines)
    calls = [read.shown(record) for record in found.requests]
    asked = [dumps(record) for record in found.predictions]
    parts = [("Printed:", found.output), ("Calls:", calls), ("Asked and predicted:", asked)]
    text = "\n\n".join("\n".join([title, *part]) for title, part in parts if part)
    emit(asdict(found), text or "Nothing was printed, and nobody has called yet.", json)


def observe(json: Json = False) -> None:
    """Write alert rules, a Prometheus configuration and a Grafana dashboard for what runs here."""
    from ci.observe.write import write
    from ci.repository import Repository

    repository = Repository.find()
    paths = [repository.relative(path) for path in write(repository)]
    emit({"paths": paths}, "\n".join(paths), json)
