"""`mlops new`: a model's folder that trains and could be merged as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit


class Language(StrEnum):
    """The languages that a model may be written in."""

    python = "python"
    r = "r"
    julia = "julia"


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(new)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the model.")],
    language: Annotated[Language, typer.Option(help="What it is written in.")],
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A folder in data/; default: household-spend."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="TEAM", help="Default: the team that owns the data.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a new model's folder, which trains and could be merged as it is."""
    from ci.codeowners import keep_codeowners
    from ci.repository import Repository
    from ci.scaffold import new_model

    repository = Repository.find()
    path = repository.relative(new_model(repository, name, language.value, dataset, target, owner))
    keep_codeowners(repository)
    text = f"{path} is there: read its README.md and model.yaml, then type: mlops train {name}"
    emit({"path": path}, text, json)
