"""`mlops package`, `deploy`, `status`, `rollback`, `start`, `stop`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ci.actor import NO_REASON
from ci.cli.options import Json, Model, Reason
from ci.cli.output import emit, table

if TYPE_CHECKING:
    from ci.images.image import Image

Every = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Default: every model.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    for command in (package, deploy, release, status, rollback, start, stop):
        app.command()(command)


def package(
    model: Model,
    image: Annotated[
        bool, typer.Option("--image", help="Build its OCI image too, with Docker or podman.")
    ] = False,
    json: Json = False,
) -> None:
    """Build the Bento of a trained model."""
    from ci.repository import Repository

    if image:
        from ci.images.image import build_image

        packaged, made = build_image(Repository.find(), model)
    else:
        from ci.package import package as build

        packaged, made = build(Repository.find(), model), None
    result = {
        "bento": packaged.bento,
        "digest": packaged.digest,
        "image": asdict(made) if made else None,
    }
    text = f"{packaged.bento}\nsha256:{packaged.digest}\n{packaged.path}"
    emit(result, f"{text}\n{_image(made)}" if made else text, json)


def _image(image: Image) -> str:
    built = f"built in {image.seconds:g} s" if image.built else "there already, nothing was built"
    size = f"{image.bytes / 1e6:,.0f} MB"
    return f"{image.name} ({size}; {built})\n{image.id}\n{image.sbom}"


def deploy(model: Model, reason: Reason = NO_REASON, json: Json = False) -> None:
    """Register, serve and promote a trained model that the gate passes."""
    from ci.release.deploy import deploy as release
    from ci.repository import Repository

    deployed = release(Repository.find(), model, reason)
    text = f"{deployed.model}: version {deployed.version} is live at {deployed.url}"
    emit(asdict(deployed), text, json)


def release(
    model: Model,
    reason: Reason = NO_REASON,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Release it although a rollback pinned another version.")
    ] = False,
    json: Json = False,
) -> None:
    """Release a trained model to hosts where the remote is a plain repository, not GitHub."""
    from ci.release.plain import release as publish
    from ci.repository import Repository

    done = publish(Repository.find(), model, reason, unpin=unpin)
    result = {"model": done.model, "version": done.version, "digest": done.digest}
    text = f"{done.model}: version {done.version} is released; hosts take it from there."
    emit(result, text, json)


def status(
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Ask the remote first what hosts have reported.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what is live here, what each host should run and runs, and what was released."""
    from ci.release.status import status as read
    from ci.repository import Repository
    from ci.state.local import fetch as ask

    repository = Repository.find()
    if fetch:
        ask(repository)
    rows = [asdict(row) for row in read(repository)]
    columns = ["model", "environment", "version", "url", "state", "since"]
    known = ["host", "should", "heard"] if any(row["host"] for row in rows) else []
    said = [f"{row['host']}: {row['problem']}" for row in rows if row["problem"]]
    text = "\n".join([table(rows, [*columns, *known]), *dict.fromkeys(said)])
    emit(rows, text if rows else "Nothing has been deployed; type: mlops deploy MODEL", json)


def rollback(model: Model, reason: Reason = NO_REASON, json: Json = False) -> None:
    """Serve the previous version again."""
    from ci.release.operate import rollback as go_back
    from ci.repository import Repository

    done = go_back(Repository.find(), model, reason)
    result = {"model": done.model, "from": done.from_version, "to": done.to_version}
    text = f"{done.model}: back from version {done.from_version} to {done.to_version}"
    emit(result, text, json)


def start(model: Every = None, json: Json = False) -> None:
    """Serve what is in production again, after a stop or a reboot."""
    from ci.release.operate import start as begin
    from ci.repository import Repository

    started = begin(Repository.find(), model)
    lines = [f"{s.model}: version {s.version} is live at {s.url}" for s in started]
    emit(
        {"started": [asdict(each) for each in started]},
        "\n".join(lines) or "Nothing to start.",
        json,
    )


def stop(model: Every = None, reason: Reason = NO_REASON, json: Json = False) -> None:
    """Stop the services that `deploy` or `start` started."""
    from ci.release.operate import stop as end
    from ci.repository import Repository

    stopped = end(Repository.find(), model, reason)
    text = f"Stopped: {', '.join(stopped)}" if stopped else "Nothing was running."
    emit({"stopped": stopped}, text, json)
