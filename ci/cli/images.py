"""`mlops images lock`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ci.cli.options import Json
from ci.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    room = typer.Typer(help="What images are built on.", no_args_is_help=True)
    room.callback()(_room)
    room.command()(lock)
    app.add_typer(room, name="images")


def _room() -> None:
    """What images are built on."""


def lock(json: Json = False) -> None:
    """Pin the newest digest of each base in policies/images.yaml."""
    from ci.images.bases import lock as pin
    from ci.images.engine import connect
    from ci.repository import Repository

    locked = pin(Repository.find(), connect())
    lines = [f"{each.language}: {each.now}{_note(each.before, each.now)}" for each in locked]
    emit([asdict(each) for each in locked], "\n".join(lines), json)


def _note(before: str, now: str) -> str:
    return "" if before == now else f" (was {before})"
