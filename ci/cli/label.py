"""`mlops label`: rows that a model is least sure of, to people and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    label = typer.Typer(
        help="Have people label what a model is least sure of, and train on it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    label.command()(offer)
    label.command()(take)
    app.add_typer(label, name="label")


def offer(
    model: Model,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The CSV to write; new.")],
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    scored: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A table of predictions, instead of the calls here."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability at which the decision flips.")
    ] = 0.5,
    uncertainty: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of --scored; larger is less sure."),
    ] = None,
    json: Json = False,
) -> None:
    """Write the predictions that a model was least sure of to a CSV, for people to label."""
    from ci.label.offer import Choice
    from ci.label.offer import offer as write
    from ci.repository import Repository

    done = write(Repository.find(), model, Choice(rows, threshold, uncertainty), output, scored)
    text = (
        f"{done.rows:,} of {done.looked_at:,} predictions are in {done.file}, the least sure "
        f"first. Whoever knows the right answer writes it into the column {done.label}; leave "
        f"unknown ones empty. Then type: mlops label take {model} {done.file}"
    )
    emit(asdict(done), text, json)


def take(
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV, with labels in it.")],
    json: Json = False,
) -> None:
    """Make labelled rows the next version of the model's dataset of labels, all or none."""
    from ci.label.take import take as bring
    from ci.repository import Repository

    done = bring(Repository.find(), model, file)
    lines = [
        f"{done.added:,} labelled rows are new in data/{done.dataset}, which has {done.rows:,} "
        f"now; {done.unlabelled:,} had no label."
    ]
    if done.first:
        lines.append(
            f"Read data/{done.dataset}/dataset.yaml, name {done.dataset} under datasets in "
            f"models/{model}/model.yaml, and let its training read the table."
        )
    if done.added:
        lines.append(f"Commit data/{done.dataset}, and type: mlops data push {done.dataset}")
    emit(asdict(done), "\n".join(lines), json)
