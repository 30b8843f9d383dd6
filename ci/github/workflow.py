"""What a step tells the runner: outputs, the summary, annotations.

See "Workflow commands" in GitHub's documentation for the escapes.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

Level = Literal["notice", "warning", "error"]
SUMMARY_BYTES = 1_048_576
_CUT = "\n\n_The summary was cut here: a step may write 1 MiB._\n"


def set_output(name: str, value: str) -> None:
    """Make ``value`` (any text, lines too) the output ``name`` of this step.

    Raises:
        MlopsError: ``not_in_actions``.
    """
    _append("GITHUB_OUTPUT", _assignment(name, value))


def add_summary(markdown: str) -> None:
    """Add to what the run's page shows for this step; what would be over 1 MiB is cut off.

    Raises:
        MlopsError: ``not_in_actions``.
    """
    path = _file("GITHUB_STEP_SUMMARY")
    room = SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0)
    text = f"{markdown.rstrip()}\n"
    if len(text.encode()) > room:
        kept = text.encode()[: max(0, room - len(_CUT.encode()))].decode(errors="ignore")
        text = kept + _CUT if kept else ""
    _append("GITHUB_STEP_SUMMARY", text)


def annotate(
    level: Level, file: str | None, line: int | None, message: str, title: str | None = None
) -> None:
    """Show ``message`` on the run, and on the line of ``file`` (a path from the root) if given."""
    given = {"file": file, "line": line if file else None, "title": title}
    properties = ",".join(
        f"{name}={_property(str(value))}" for name, value in given.items() if value is not None
    )
    _command(f"::{level} {properties}".rstrip(), message)


@contextmanager
def inert() -> Iterator[None]:
    """While this lasts, nothing that is printed is taken as a command: for text of strangers."""
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"::{word}::", flush=True)


def _command(command: str, message: str) -> None:
    print(f"{command}::{_data(message)}", flush=True)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _assignment(name: str, value: str) -> str:
    mark = f"end_{secrets.token_hex(16)}"
    return f"{name}<<{mark}\n{value}\n{mark}\n"


def _append(variable: str, text: str) -> None:
    with _file(variable).open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _file(variable: str) -> Path:
    name = os.environ.get(variable)
    if not name:
        raise MlopsError(
            "not_in_actions",
            f"{variable} is not set: this command is a step of a GitHub Actions workflow.",
        )
    return Path(name)
