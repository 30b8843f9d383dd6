"""`mlops models`, `mlops check` and `mlops plan`: what is there, and is it right."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit, table

if TYPE_CHECKING:
    from ci.repository import Repository


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    for command in (models, check, plan):
        app.command()(command)


def models(json: Json = False) -> None:
    """List the models of this repository."""
    from ci.repository import Repository

    rows = _rows(Repository.find())
    emit(rows, table(rows, ["name", "language", "owner", "task"]), json)


def check(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Default: the whole repository.")
    ] = None,
    json: Json = False,
) -> None:
    """Validate contracts, datasets, policies and parameters."""
    from ci.check import check as find_problems
    from ci.repository import Repository

    problems = find_problems(Repository.find(), model)
    lines = [problem.sentence() for problem in problems]
    emit([asdict(problem) for problem in problems], "\n".join(lines) or "No problem found.", json)
    if problems:
        raise typer.Exit(1)


def plan(
    base: Annotated[str, typer.Option(metavar="REF", help="Branch or commit to compare with.")],
    json: Json = False,
) -> None:
    """Show which models the change since REF touches, and why."""
    from ci.plan import plan as touched_by_change
    from ci.repository import Repository

    touched = [asdict(model) for model in touched_by_change(Repository.find(), base)]
    text = table(touched, ["name", "reason"]) if touched else "No model is touched."
    emit({"models": touched}, text, json)


def _rows(repository: Repository) -> list[dict[str, str]]:
    from ci.contract.model import load_model_contract

    contracts = [load_model_contract(repository, name) for name in repository.model_names()]
    return [
        {"name": c.name, "language": c.language, "owner": c.owner, "task": c.task}
        for c in contracts
    ]
