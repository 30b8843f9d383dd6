"""`mlops tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.tune.outcome import Search

Trials = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="Most trials; default: model.yaml's, else 20."),
]
Minutes = Annotated[
    float | None,
    typer.Option(min=0.01, help="No trial begins later; default: model.yaml's, else 60."),
]


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(tune)


def tune(model: Model, trials: Trials = None, minutes: Minutes = None, json: Json = False) -> None:
    """Search a model's declared parameter ranges (Optuna); the best goes into params.yaml."""
    from ci.contract.model import load_model_contract
    from ci.repository import Repository
    from ci.tune import tune as run
    from ci.tune.tune import write_best

    repository = Repository.find()
    found = run(repository, model, trials, minutes)
    written = write_best(repository, found) if found.changes() else None
    plot = repository.relative(repository.state_dir / "reports" / model / "tune.png")
    result = {**found.model_dump(mode="json"), "written": written, "plot": plot}
    contract = load_model_contract(repository, model)
    emit(result, _text(contract, found, written, plot), json)


def _text(contract: ModelContract, found: Search, written: str | None, plot: str) -> str:
    from ci.tune.words import summary

    ending = (
        f"{written} holds them now; type: mlops train {found.model}"
        if written
        else "params.yaml stays as it is."
    )
    return "\n".join([*summary(contract, found), ending, f"Plot: {plot}"])
