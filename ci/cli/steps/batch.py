"""`mlops ci due`, `batch` and their like: batch scoring by the clock."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Model
from ci.cli.steps.each import Asked, Each, Folder, folders
from ci.cli.steps.matrix import Answer, put_out

if TYPE_CHECKING:
    from ci.clock.due import Decision
    from ci.clock.publish import Published

Day = Annotated[str, typer.Option(metavar="DATE", help="The day that it is for.")]
New = Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where to write; new.")]


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    for command in (due, batch):
        app.command()(command)
    app.command("batch-input")(batch_input)
    app.command("merge-batch")(merge_batch)
    app.command("publish-batch")(publish_batch)


def due(model: Asked = "") -> None:
    """Say which models are to be scored now, as the matrix of the jobs that follow."""
    from ci.clock.due import asked_for, due_models
    from ci.github.workflow import set_output
    from ci.repository import Repository
    from ci.state.local import fetch, state_folder

    repository, now = Repository.find(), datetime.now(UTC)
    fetch(repository)
    state = state_folder(repository)
    found = (
        [asked_for(repository, state, model, now)] if model else due_models(repository, state, now)
    )
    jobs = [job for each in found for job in _jobs(each)]
    sharded = [{"model": each.model} for each in found if each.day and each.shards > 1]
    answers = [Answer(each.model, each.day is not None, each.reason) for each in found]
    put_out("Batch scoring", answers, jobs, "No model has a key batch.")
    set_output("sharded", json.dumps({"include": sharded}))
    set_output("merges", str(len(sharded)))


def batch_input(model: Model, day: Day) -> None:
    """Copy a model's batch input here, where it lies in a folder, storage or a database."""
    from ci.repository import Repository
    from ci.score.inputs import copy_declared
    from ci.score.score import in_production

    repository = Repository.find()
    copied = copy_declared(repository, in_production(repository, model).contract, day)
    print(f"{model}: {copied or 'the input is in this repository; nothing to copy'}.")


def batch(
    model: Model,
    day: Day,
    output: New,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only this share, for `mlops ci merge-batch`.")
    ] = "1/1",
) -> None:
    """Score a model's batch input once a version, input and day."""
    from ci.clock.batch import run_batch
    from ci.clock.ledger import Entry
    from ci.clock.parcel import Parcel
    from ci.github.workflow import add_summary, inert, set_output
    from ci.observe.push import batch_told
    from ci.repository import Repository
    from ci.score import Shard
    from ci.state.local import state_folder

    repository = Repository.find()
    wanted, share = date.fromisoformat(day), Shard.parse(shard)
    with batch_told(repository, model, whole=share.of == 1), inert():
        done = run_batch(repository, state_folder(repository), model, wanted, output, share)
    if isinstance(done, Entry):
        words = (
            f"unchanged: version {done.version} scored this input for {day} before ({done.asset})"
        )
    elif isinstance(done, Parcel):
        words = f"{done.rows:,} rows scored by version {done.version} for {day}"
    else:
        words = f"shard {shard} scored by version {done.version} for {day}"
    print(f"{model}: {words}.")
    add_summary(f"**{model}**: {words}.")
    set_output("scored", "false" if isinstance(done, Entry) else "true")


def merge_batch(model: Model, shards: Folder, output: New) -> None:
    """Make one parcel of what the jobs that scored the shards of a model handed over."""
    from ci.clock.batch import merge_batch as merge
    from ci.github.workflow import add_summary, set_output
    from ci.observe.push import batch_told
    from ci.repository import Repository
    from ci.state.local import fetch, state_folder

    repository = Repository.find()
    with batch_told(repository, model):
        fetch(repository)
        done = merge(repository, state_folder(repository), model, shards, output)
    words = f"{done.rows:,} rows in all" if done else "unchanged: nothing to merge"
    print(f"{model}: {words}.")
    add_summary(f"**{model}**: {words}.")
    set_output("merged", "true" if done else "false")


def publish_batch(folder: Folder) -> None:
    """Publish what the scoring jobs handed over: release assets, and the ledger."""
    from ci.assets.github import github_of
    from ci.clock.publish import publish
    from ci.github.workflow import add_summary
    from ci.observe.push import batch_told
    from ci.repository import Repository

    repository = Repository.find()
    github = github_of(repository)

    def publish_told(parcel: Path) -> Published:
        with batch_told(repository, parcel.name.removeprefix("batch-")):
            return publish(repository, github, parcel)

    parcels = Each(folders(folder), publish_told)
    for done in parcels.made:
        entry = done.entry
        words = "published" if done.new else "was published before"
        page = f"{github.context.server_url}/{github.context.repository}/releases/tag/{entry.tag}"
        shown = f"[{entry.asset}]({page})" if entry.tag else f"`{entry.asset}`"
        print(f"{done.model}: {entry.asset} {words}.")
        add_summary(
            f"**{done.model}**: {entry.rows:,} rows for {entry.day} by version {entry.version}, "
            f"{shown} {words}."
        )
    parcels.complain()


def _jobs(decision: Decision) -> list[dict[str, str]]:
    """A job for each shard that is due; its artifact is not mistaken for another model's."""
    model, of = decision.model, decision.shards
    if decision.day is None:
        return []
    common = {
        "model": model,
        "language": decision.language,
        "day": decision.day.isoformat(),
    }
    if of == 1:
        return [{**common, "name": model, "shard": "1/1", "artifact": f"batch-{model}"}]
    return [
        {
            **common,
            "name": f"{model} {number}/{of}",
            "shard": f"{number}/{of}",
            "artifact": f"shard-{number}--{model}",
        }
        for number in range(1, of + 1)
    ]
