"""`mlops keys make`, `list`, `rotate`, `revoke`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit, table
from ci.repository import Repository

Days = Annotated[float, typer.Option("--days", help="Until it expires.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The id, as `mlops keys list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    room = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)
    for command in (make, rotate, revoke):
        room.command()(command)
    room.command("list")(list_keys)
    app.add_typer(room, name="keys")


def make(
    department: Annotated[str, typer.Argument(help="A department of policies/access.yaml.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Only for this model; may be repeated.")
    ] = None,
    days: Days = 365,
    json: Json = False,
) -> None:
    """Make an API key; it is shown once."""
    from ci.keys import make as add

    made = add(Repository.find(), department, model or [], days)
    emit(asdict(made), _shown(made.secret), json)


def rotate(
    key: KeyId,
    days: Days = 365,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", help="How long the old key still works.")
    ] = 24,
    json: Json = False,
) -> None:
    """Make a key like this one, which then ends."""
    from ci.keys import rotate as replace

    made = replace(Repository.find(), key, days, grace_hours)
    emit(asdict(made), f"{_shown(made.secret)}\n{key} works for {grace_hours:g} hours more.", json)


def revoke(key: KeyId, json: Json = False) -> None:
    """End a key now."""
    from ci.keys import revoke as end

    ended = end(Repository.find(), key)
    emit(asdict(ended), f"{key} of {ended.department} is revoked.", json)


def list_keys(json: Json = False) -> None:
    """Show all keys, without their secrets."""
    from ci.keys import keys

    rows = [{**asdict(each), "models": ", ".join(each.models)} for each in keys(Repository.find())]
    text = table(rows, ["id", "department", "models", "made", "expires", "state"])
    emit(rows, text if rows else "There is no key; type: mlops keys make DEPARTMENT", json)


def _shown(secret: str) -> str:
    return f"{secret}\nGive it to its owner now: it is not kept, and can't be shown again."
