"""`mlops restore`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit

if TYPE_CHECKING:
    from ci.assets.objects import DataObject
    from ci.assets.restore import Restored

Some = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: every model.")
]
NoData = Annotated[
    bool, typer.Option("--no-data", help="Leave out the data that the models are trained on.")
]


def register(app: typer.Typer) -> None:
    """Add this room's command to ``app``."""
    app.command()(restore)


def restore(models: Some = None, no_data: NoData = False, json: Json = False) -> None:
    """Bring what was released, and its data, from GitHub to this checkout."""
    from ci.assets.restore import restore as bring
    from ci.repository import Repository

    done = bring(Repository.find(), models or [], data=not no_data)
    result = {
        "commit": done.commit,
        "released": [{"model": r.model, "version": r.version, "tag": r.tag} for r in done.released],
        "lost": [asdict(each) for each in done.lost],
    }
    emit(result, "\n".join(_lines(done)), json)


def _lines(done: Restored) -> list[str]:
    here = [
        f"{r.model}: version {r.version} is here; type: mlops start {r.model}"
        for r in done.released
    ]
    made = [
        f"{each.path} is stored nowhere; training makes it again."
        for each in done.lost
        if each.made
    ]
    gone = [
        f"{each.path} is stored nowhere: whoever has it types: mlops data push {_dataset(each)}"
        for each in done.lost
        if not each.made
    ]
    return [*(here or ["No released version to bring."]), *made, *gone]


def _dataset(lost: DataObject) -> str:
    return lost.path.split("/")[1]
