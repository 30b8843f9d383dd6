"""`mlops drift`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit, table

if TYPE_CHECKING:
    from ci.repository import Repository

RAISED_BEFORE = "Raised before: the same columns raise no second alert so soon (cooldown_hours)."


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(drift)
    app.command("drift-history")(drift_history)


def drift(
    model: Model,
    live: Annotated[
        bool, typer.Option("--live", help="Check what callers of the service here asked.")
    ] = False,
    scored: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check what batch scoring wrote, with its predictions."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep looking at the newest calls; Ctrl-C ends it.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare the analysis period with the reference period (NannyML)."""
    from ci.monitor.chunks import chunk_ends
    from ci.monitor.conclude import as_dict
    from ci.monitor.drift import check_drift
    from ci.repository import Repository

    if live and scored:
        raise typer.BadParameter("--live and --scored are two checks: give one of them")
    repository = Repository.find()
    if watch:
        if live or scored or json:
            raise typer.BadParameter("--watch goes with no other option")
        _watch(repository, model)
        return
    checked = check_drift(repository, model, live=live, scored=scored)
    result = as_dict(checked)
    columns = ["name", "method", "value", "threshold", "chunk", "alert"]
    rows = [{**row, "chunk": chunk_ends(row["chunk"])[0]} for row in result["features"]]
    left_out = [f"Not measured: {each.name}: {each.reason}." for each in checked.unmeasured]
    lines = [
        checked.headline,
        *([RAISED_BEFORE] if checked.alert and not checked.raised else []),
        *([checked.earlier] if checked.earlier else []),
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


def drift_history(model: Model, json: Json = False) -> None:
    """Show what earlier checks for drift found, run after run."""
    from ci.monitor.runs import history_file, read_history
    from ci.repository import Repository

    repository = Repository.find()
    repository.model_dir(model)
    path = history_file(repository, model)
    runs = read_history(path)
    rows = [
        {
            "time": f"{run.time:%Y-%m-%d %H:%M}",
            "checked": run.kind,
            "version": run.version,
            "finding": run.headline,
        }
        for run in runs
    ]
    shown = table(rows, ["time", "checked", "version", "finding"])
    said = shown if runs else f"No check of {model} is known here; type: mlops drift {model}"
    emit({"model": model, "runs": [run.model_dump(mode="json") for run in runs]}, said, json)


def _watch(repository: Repository, model: str) -> None:
    """One line whenever what is found changes."""
    from datetime import datetime

    from ci.contract.monitoring import MonitoringPolicy
    from ci.contract.policy import load_policy
    from ci.monitor.watch import Watcher, looks

    rules = load_policy(repository, MonitoringPolicy).watch
    last = ""
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for look in looks(Watcher(repository, model, rules), rules):
            if look.raised or look.said != last:
                print(f"{datetime.now():%H:%M:%S} {look.said}", flush=True)
            last = look.said


def _short(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
