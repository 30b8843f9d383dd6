"""`mlops retrain`."""

from __future__ import annotations

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(retrain)


def retrain(model: Model, json: Json = False) -> None:
    """Move a model's training window in params.yaml to where the data ends now."""
    from ci.repository import Repository
    from ci.retrain.window import move

    moved = move(Repository.find(), model)
    changes = {key: {"before": a, "now": b} for key, (a, b) in moved.changes.items()}
    result = {
        "model": model,
        "newest": str(moved.newest),
        "changes": changes,
        "written": moved.path if changes else None,
    }
    lines = [f"  {key}: {a} → {b}" for key, (a, b) in moved.changes.items()]
    ending = (
        f"{moved.path} holds them now; type: mlops train {model}"
        if changes
        else "Nothing would change: the data goes no further than when it was trained."
    )
    text = "\n".join(
        [f"{model}: the data goes up to {moved.column} {moved.newest}.", *lines, ending]
    )
    emit(result, text, json)
