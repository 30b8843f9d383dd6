"""`mlops train`."""

from __future__ import annotations

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(train)


def train(model: Model, json: Json = False) -> None:
    """Run a model's DVC pipeline and log the run to MLflow."""
    from ci.pipeline import train as run
    from ci.repository import Repository

    candidate = run(Repository.find(), model)
    result = {
        "model": candidate.model,
        "run_id": candidate.run_id,
        "fingerprint": candidate.fingerprint,
        "seconds": candidate.seconds,
        "metrics": candidate.metrics,
    }
    metrics = "\n".join(f"  {key}: {value:g}" for key, value in candidate.metrics.items())
    text = (
        f"{model}: run {candidate.run_id}, fingerprint {candidate.fingerprint}\n{metrics}\n"
        f"To judge it, type: mlops report {model}"
    )
    emit(result, text, json)
