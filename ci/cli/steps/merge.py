"""`mlops ci restore` and on: the steps from a merge to a release."""

from __future__ import annotations

import typer

from ci.cli import restore


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    restore.register(app)
