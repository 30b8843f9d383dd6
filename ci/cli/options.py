"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a folder in models/.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; the audit keeps it.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, progress on stderr.")
]
