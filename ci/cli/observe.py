"""`mlops observe`."""

from __future__ import annotations

import typer

from ci.cli.options import Json
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(observe)


def observe(json: Json = False) -> None:
    """Write alert rules, a Prometheus configuration and a Grafana dashboard for what runs here."""
    from ci.observe import write
    from ci.repository import Repository

    repository = Repository.find()
    paths = [repository.relative(path) for path in write(repository)]
    emit({"paths": paths}, "\n".join(paths), json)
