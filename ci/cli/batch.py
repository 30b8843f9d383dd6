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
    input: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File, folder, s3:// or https:// address to score."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write (.csv, .csv.gz, .parquet)."),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Only this share of the rows, for `score-merge`."),
    ] = "1/1",
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="Who scores: local, this machine; or ray.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Ray cluster; else RAY_ADDRESS, else one of this machine."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add the live version's predictions to a table; a run that was ended goes on where it was.

    Without --input and --output it scores what the contract declares, and delivers it there.
    """
    from ci.errors import MlopsError
    from ci.observe.push import batch_told
    from ci.repository import Repository
    from ci.score import Shard
    from ci.score.declared import score_declared, score_given
    from ci.score.engine import engine_named

    share, scoring = Shard.parse(shard), engine_named(engine, address)
    places: list[str] = []
    if input is not None and output is not None:
        done = score_given(Repository.find(), model, input, output, share, scoring)
    elif input is None and output is None and share.of == 1:
        repository = Repository.find()
        with batch_told(repository, model):
            whole = score_declared(repository, model, scoring)
        done, places = whole.scored, whole.places
    else:
        raise MlopsError(
            "bad_usage",
            "--input and --output belong together (--shard needs them); with none of them the "
            f"contract's own batch is scored: mlops score {model}",
        )
    lines = [_words(done), *(f"Delivered: {place}" for place in places)]
    emit({**asdict(done), "delivered": places}, "\n".join(lines), json)


def score_merge(model: Model, output: Output, json: Json = False) -> None:
    """Join what `mlops score --shard` left beside the output."""
    from ci.repository import Repository
    from ci.score import merge

    done = merge(Repository.find(), model, output)
    emit({**asdict(done), "delivered": []}, _words(done), json)


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
