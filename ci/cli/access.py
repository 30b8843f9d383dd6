"""`mlops codeowners`."""

from __future__ import annotations

import typer

from ci.cli.options import Json
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(codeowners)


def codeowners(json: Json = False) -> None:
    """Write .github/CODEOWNERS from policies/access.yaml and the owners in the contracts."""
    from ci.codeowners import write_codeowners
    from ci.repository import Repository

    repository = Repository.find()
    path = repository.relative(write_codeowners(repository))
    emit({"path": path}, f"{path} is written; commit it.", json)
