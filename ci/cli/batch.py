"""`mlops score` and `mlops score-merge`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit

if TYPE_CHECKING:
    from ci.score import Scored

Output = Annotated[
    Path, typer.Option(metavar="FILE", help="Where to write (.csv, .csv.gz, .parquet).")
]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(score)
    app.command("score-merge")(score_merge)


def score(
    model: Model,
    input: Annotated[Path, typer.Option(metavar="FILE", help="CSV or Parquet to score.")],
    output: Output,
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Only this share of the rows, for `score-merge`."),
    ] = "1/1",
    json: Json = False,
) -> None:
    """Add the live version's predictions to a file; a run that was ended goes on where it was."""
    from ci.repository import Repository
    from ci.score import Shard
    from ci.score import score as run

    done = run(Repository.find(), model, input, output, Shard.parse(shard))
    emit(asdict(done), _words(done), json)


def score_merge(model: Model, output: Output, json: Json = False) -> None:
    """Join what `mlops score --shard` left beside the output."""
    from ci.repository import Repository
    from ci.score import merge

    done = merge(Repository.find(), model, output)
    emit(asdict(done), _words(done), json)


def _words(done: Scored) -> str:
    lines = [
        f"{done.rows:,} rows in {done.seconds:.1f} s by version {done.version}: "
        f"{_near(done.output)}",
    ]
    if done.quarantined:
        where = f": {_near(done.quarantine)}" if done.quarantine else " in this shard"
        lines.append(f"{done.quarantined:,} rows break the contract and were set aside{where}")
    if done.report and done.spreadsheet:
        lines.append(f"Report: {_near(done.report)}")
        lines.append(f"The same as a spreadsheet: {_near(done.spreadsheet)}")
    return "\n".join(lines)


def _near(path: str) -> str:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
