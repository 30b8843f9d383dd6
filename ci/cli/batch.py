"""`mlops score`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(score)


def score(
    model: Model,
    input: Annotated[Path, typer.Option(metavar="FILE", help="CSV or Parquet to score.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write (.csv, .parquet).")],
    json: Json = False,
) -> None:
    """Add the live version's predictions to a file."""
    from ci.repository import Repository
    from ci.score import score as run

    done = run(Repository.find(), model, input, output)
    text = f"{done.rows:,} rows in {done.seconds:.1f} s by version {done.version}: {output}"
    emit(asdict(done), text, json)
