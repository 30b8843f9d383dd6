"""`mlops demo`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ci.cli.output import table


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(demo)


def demo() -> None:
    """Take every model the whole way, from data to an answered API call."""
    from ci.demo.demo import demo as run
    from ci.repository import Repository

    repository = Repository.find()
    rows, report = run(repository)
    columns = ["model", "language", "verdict", "version", "url", "drift", "scored", "plot"]
    print(f"\n{table([asdict(row) for row in rows], columns)}\n")
    print(f"Report:       {repository.relative(report)}")
    print(f"Try an API:   {rows[0].url}/docs in a browser")
    print("What is live: .venv/bin/mlops status")
    print("Stop it all:  make stop")
