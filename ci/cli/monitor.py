"""`mlops drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit, table


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(drift)


def drift(
    model: Model,
    live: Annotated[
        bool, typer.Option("--live", help="Check what callers of the service here asked.")
    ] = False,
    scored: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check what batch scoring wrote, with its predictions."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare the analysis period with the reference period (NannyML)."""
    from ci.monitor.chunks import chunk_ends
    from ci.monitor.drift import as_dict, check_drift
    from ci.repository import Repository

    if live and scored:
        raise typer.BadParameter("--live and --scored are two checks: give one of them")
    repository = Repository.find()
    checked = check_drift(repository, model, live=live, scored=scored)
    result = as_dict(checked)
    columns = ["name", "method", "value", "threshold", "chunk", "alert"]
    rows = [{**row, "chunk": chunk_ends(row["chunk"])[0]} for row in result["features"]]
    left_out = [f"Not measured: {each.name}: {each.reason}." for each in checked.unmeasured]
    lines = [
        checked.headline,
        checked.period,
        "",
        table([{key: _short(value) for key, value in row.items()} for row in rows], columns),
        "",
        *left_out,
        *([checked.performance_note] if checked.performance_note else []),
        *checked.notes,
        f"Report: {repository.relative(checked.report)}",
        f"Plot:   {repository.relative(checked.plot)}",
    ]
    emit(result, "\n".join(lines), json)


def _short(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
