"""The page of commands, from the command line's own definition."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from ci.reference.answers import ANSWERS
from ci.reference.markdown import table

BEGIN = (
    "`mlops` acts on the repository that contains the current directory. It is "
    "`.venv/bin/mlops`; `source .venv/bin/activate` makes it `mlops`.\n\n"
    "Exit code 0: done. 1: refused, failed, an unknown name or bad data. 2: bad arguments. With "
    "`--json`, stdout is one JSON document, progress goes to stderr, and a failure prints "
    '`{"error": {"code", "message"}}`. In the tables of what it prints, `[]` is each item of a '
    "list, and `<…>` a name that is not fixed."
)


def commands() -> str:
    """All commands with their arguments and options."""
    found = all_commands()
    rows = [[f"[`mlops {name}`](#{_anchor(name)})", _line(c)] for name, c in found.items()]
    return "\n\n".join([BEGIN, table(["command", "does"], rows), *map(_section, found.items())])


def all_commands() -> dict[str, Any]:
    """Name (such as ``train`` or ``data add``) → click command, in the order of the help."""
    from ci.cli.app import app

    return _leaves(typer.main.get_command(app), "")


def _leaves(command: Any, name: str) -> dict[str, Any]:
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    found: dict[str, Any] = {}
    for word, inner in below.items():
        found |= _leaves(inner, f"{name} {word}".strip())
    return found


def usage(name: str, command: Any) -> str:
    """How the command is typed, required options included."""
    words = ["mlops", name]
    for part in command.params:
        value = "" if getattr(part, "is_flag", False) else part.metavar or part.name.upper()
        text = " ".join(filter(None, [_option(part), value]))
        words.append(text if part.required or not _option(part) else f"[{text}]")
    return " ".join(words)


def _option(part: Any) -> str:
    return str(part.opts[0]) if part.opts[0].startswith("-") else ""


def _section(item: tuple[str, Any]) -> str:
    name, command = item
    text = inspect.cleandoc(command.help or "").replace("``", "`")
    head = f"## mlops {name}\n\n{text}\n\n```text\n{usage(name, command)}\n```"
    rows = [[f"`{_written(p)}`", _default(p), p.help or ""] for p in command.params]
    arguments = [table(["argument", "default", "meaning"], rows)] if rows else []
    return "\n\n".join([head, *arguments, *_answer(name)])


def _answer(name: str) -> list[str]:
    """What ``name`` prints with `--json`, if it takes that."""
    if name not in ANSWERS:
        return []
    rows = [[f"`{place}`", text] for place, text in ANSWERS[name].items()]
    return ["With `--json` it prints:", table(["place", "holds"], rows)]


def _written(part: Any) -> str:
    if not _option(part):
        return str(part.metavar or part.name.upper())
    value = "" if part.is_flag else f" {part.metavar or part.name.upper()}"
    return ", ".join(part.opts) + value


def _default(part: Any) -> str:
    if part.required:
        return "**required**"
    return f"`{part.default}`" if part.default not in (None, False) else "none"


def _line(command: Any) -> str:
    return inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ")


def _anchor(name: str) -> str:
    return f"mlops-{name.replace(' ', '-')}"
