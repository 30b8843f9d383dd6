"""`mlops drift`."""

from __future__ import annotations

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit, table


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(drift)


def drift(model: Model, json: Json = False) -> None:
    """Compare the analysis period with the reference period (NannyML)."""
    from ci.monitor import check_drift
    from ci.monitor.drift import as_dict
    from ci.repository import Repository

    checked = check_drift(Repository.find(), model)
    result = as_dict(checked)
    columns = ["name", "method", "value", "threshold", "chunk", "alert"]
    text = "\n".join(
        [
            checked.headline,
            "",
            table(result["features"], columns),
            "",
            f"Report: {checked.report}",
            f"Plot:   {checked.plot}",
        ]
    )
    emit(result, text, json)
