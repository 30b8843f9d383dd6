"""`mlops render`: manifests for a GitOps controller of a Kubernetes cluster."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ci.cli.options import Model
from ci.console import put


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(render)


def render(
    model: Model,
    image: Annotated[
        str, typer.Option(metavar="NAME@sha256:…", help="The model's image in a registry.")
    ],
) -> None:
    """Print a model's manifests for Kubernetes; they were never run on a cluster."""
    import yaml

    from ci.manifests import render as make
    from ci.repository import Repository

    found = make(Repository.find(), model, image)
    put(yaml.safe_dump_all(found, sort_keys=False, explicit_start=True), sys.stdout, end="")
