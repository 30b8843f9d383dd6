"""`mlops history`, `audit`, `registry` and `value`: what happened, and whether that holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit

if TYPE_CHECKING:
    from ci.events.audit import Audited

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="A day (2026-03-29, in UTC) or a moment (2026-03-29T14:30, or with +02:00).",
    ),
]
Because = Annotated[str, typer.Option("--reason", help="Why; the first event says so.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(history)
    app.command()(value)
    app.command()(reproduce)
    room = typer.Typer(help="Verify the events.", no_args_is_help=True)
    room.command("verify")(verify)
    room.command("begin-again")(begin_again)
    room.command("make-key")(make_key)
    app.add_typer(room, name="audit")
    registry = typer.Typer(help="Rebuild the registry.", no_args_is_help=True)
    registry.command("rebuild")(rebuild)
    app.add_typer(registry, name="registry")


def history(model: Model, at: At = None, json: Json = False) -> None:
    """Show what was live of a model, since when, who approved it, and how it did."""
    from ci.events.tale import history as tell
    from ci.events.tale import in_words
    from ci.events.when import read_time
    from ci.repository import Repository

    span = read_time(at) if at is not None else None
    found = tell(Repository.find(), model, span)
    first = span.first.isoformat() if span else None
    result = {**asdict(found), "from": first, "to": span.last.isoformat() if span else None}
    emit(result, in_words(found, span), json)


def value(json: Json = False) -> None:
    """Count what a leader asks: models live, time to live, refused, failed, restored."""
    from ci.events.value import in_words
    from ci.events.value import value as count
    from ci.repository import Repository

    found = count(Repository.find())
    emit(asdict(found), in_words(found), json)


def reproduce(
    model: Model,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Its number, such as 3.")],
    json: Json = False,
) -> None:
    """Build a version again from its commit and data; exit 1 if it predicts something else."""
    from ci.repository import Repository
    from ci.reproduce import reproduce as build_again
    from ci.reproduce.reproduce import in_words

    found = build_again(Repository.find(), model, version)
    emit(asdict(found), in_words(found), json)
    if found.same_predictions is False:
        raise typer.Exit(1)


def verify(json: Json = False) -> None:
    """Find events that were altered, removed, reordered, inserted or cut off; exit 1 if any."""
    from ci.events.audit import audit
    from ci.events.verify import ALWAYS
    from ci.repository import Repository

    found = audit(Repository.find())
    logs = [{"log": each.place, "path": each.path, **asdict(each.found)} for each in found]
    whole = not any(each.found.findings for each in found)
    lines = [line for each in found for line in _lines(each)] or ["There are no events yet."]
    emit({"whole": whole, "logs": logs, "never_proven": ALWAYS}, "\n".join([*lines, ALWAYS]), json)
    if not whole:
        raise typer.Exit(1)


def _lines(audited: Audited) -> list[str]:
    found = audited.found
    state = f"{found.events} events, whole" if not found.findings else "NOT WHOLE"
    return [
        f"{audited.path}: {state}",
        *(f"  {_where(each.line)}{each.problem}" for each in found.findings),
        *([f"  Signed: {found.signed}"] if found.signed else []),
        *(f"  Not proven: {each}" for each in found.unproven),
    ]


def _where(line: int | None) -> str:
    return f"line {line}: " if line else ""


def begin_again(reason: Because, json: Json = False) -> None:
    """Set this machine's broken events aside, and go on from the registry as it is."""
    from ci.events.audit import begin_again as begin
    from ci.repository import Repository

    begun = begin(Repository.find(), reason)
    kept = str(begun.kept) if begun.kept else None
    text = f"A new chain begins with {begun.models} models; the old file is {kept or 'gone'}."
    emit({"kept": kept, "models": begun.models}, text, json)


def make_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What policies/trust.yaml calls it.")],
    json: Json = False,
) -> None:
    """Make a key that signs releases and the head of their events; it is shown this once."""
    from ci.repository import check_name
    from ci.trust.signing import VARIABLE
    from ci.trust.signing import make_key as make

    check_name(name, "key")
    made = make(name)
    text = (
        f"Write under keys in policies/trust.yaml:\n  {name}: {made.public}\n"
        f"Keep as the secret {VARIABLE} of the environment production, and nowhere else:\n"
        f"  {made.secret}"
    )
    emit(asdict(made), text, json)


def rebuild(json: Json = False) -> None:
    """Make the registry of this checkout anew from its events; the old file is kept."""
    from ci.registry.rebuild import rebuild as make
    from ci.repository import Repository

    done = make(Repository.find())
    kept = str(done.kept) if done.kept else None
    lines = [
        f"{name}: {number} version{'' if number == 1 else 's'}"
        for name, number in done.versions.items()
    ]
    lines += [f"The old registry is {kept}."] if kept else []
    emit({"versions": done.versions, "kept": kept}, "\n".join(lines), json)
