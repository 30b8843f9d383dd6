"""`mlops models`, `mlops check` and `mlops plan`: what is there, and is it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ci.cli.options import Json
from ci.cli.output import emit, table

if TYPE_CHECKING:
    from ci.repository import Repository


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(models)


def models(json: Json = False) -> None:
    """List the models of this repository."""
    from ci.repository import Repository

    rows = _rows(Repository.find())
    emit(rows, table(rows, ["name", "language", "owner", "task"]), json)


def _rows(repository: Repository) -> list[dict[str, str]]:
    from ci.contract.model import load_model_contract

    contracts = [load_model_contract(repository, name) for name in repository.model_names()]
    return [
        {"name": c.name, "language": c.language, "owner": c.owner, "task": c.task}
        for c in contracts
    ]
