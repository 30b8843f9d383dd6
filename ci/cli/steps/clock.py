"""`mlops ci due`, `batch`, `watched`, `drift` and `watchdog`: the steps that the clock starts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import typer

from ci.cli.options import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci.clock.due import Decision
    from ci.clock.publish import Published
    from ci.monitor.issues import DriftRecord
    from ci.monitor.runs import Run
    from ci.repository import Repository

Asked = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Only this one, due or not; empty: all.")
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the artifacts were put.")]
Day = Annotated[str, typer.Option(metavar="DATE", help="The day that it is for.")]
New = Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where to write; new.")]
NOTHING = "nothing"
T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    for command in (due, batch, watched, drift, watchdog):
        app.command()(command)
    app.command("batch-input")(batch_input)
    app.command("merge-batch")(merge_batch)
    app.command("publish-batch")(publish_batch)
    app.command("publish-drift")(publish_drift)


def due(model: Asked = "") -> None:
    """Say which models are to be scored now, as the matrix of the jobs that follow."""
    from ci.clock.due import asked_for, due_models
    from ci.repository import Repository
    from ci.state.local import fetch, state_folder

    repository, now = Repository.find(), datetime.now(UTC)
    fetch(repository)
    state = state_folder(repository)
    found = (
        [asked_for(repository, state, model, now)] if model else due_models(repository, state, now)
    )
    _decided("Batch scoring", found)


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

    parcels = _Each(_folders(folder), publish_told)
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


def watched(model: Asked = "") -> None:
    """Say which models are checked for drift, as the matrix of the jobs that follow."""
    from ci.clock.due import watched_models
    from ci.repository import Repository
    from ci.state.local import fetch, state_folder

    repository = Repository.find()
    fetch(repository)
    _decided(
        "Drift", watched_models(repository, state_folder(repository), model, datetime.now(UTC))
    )


def drift(
    model: Model, output: Annotated[Path, typer.Option(metavar="FOLDER", help="New.")]
) -> None:
    """Check a model in production for drift, and put what was found into a folder."""
    import shutil

    from ci.clock.inputs import ensure_tables
    from ci.github.workflow import add_summary, inert
    from ci.monitor.drift import check_drift
    from ci.monitor.runs import FILE
    from ci.report.markdown import plain
    from ci.repository import Repository

    repository = Repository.find()
    with inert():
        ensure_tables(repository, model, [])
        checked = check_drift(repository, model)
    output.mkdir(parents=True)
    others = [checked.report.with_name(name) for name in ("drift.json", FILE)]
    for path in (checked.report, checked.plot, *others):
        shutil.copyfile(path, output / path.name)
    print(checked.headline)
    mark = "🔴" if checked.alert else "🟡" if checked.passed else "🟢"
    add_summary(f"{mark} {plain(checked.headline, 1000)}")


def publish_drift(folder: Folder) -> None:
    """Bring the issues of the models that were checked up to date, and their history."""
    from ci.assets.github import github_of
    from ci.clock.history import keep_history, read_handed
    from ci.github.workflow import add_summary
    from ci.monitor.issues import keep_issues, read_drift
    from ci.monitor.runs import FILE
    from ci.repository import Repository

    repository = Repository.find()
    names = repository.model_names()

    def read_one(folder: Path) -> tuple[DriftRecord, list[Run]]:
        return read_drift(folder / "drift.json", names), read_handed(folder / FILE)

    read = _Each(_folders(folder), read_one)
    records = [record for record, _ in read.made]
    github = github_of(repository)
    owners = {record.model: _asked_people(repository, record.model) for record in records}
    numbers = keep_issues(github, records, names, owners)
    listed = ", ".join(f"#{number}" for number in sorted(numbers.values()))
    said = f"Open drift issues: {listed or 'none'}."
    print(said)
    add_summary(said)
    keep_history(repository, {record.model: runs for record, runs in read.made})
    read.complain()


def watchdog() -> None:
    """Find schedules that were not kept; keep one issue about them."""
    from ci.assets.github import github_of
    from ci.clock.alarm import raise_alarm
    from ci.clock.watchdog import missed
    from ci.contract.access import PLATFORM
    from ci.github.workflow import add_summary
    from ci.repository import Repository

    repository = Repository.find()
    github = github_of(repository)
    found = missed(repository.root, github, datetime.now(UTC))
    number = raise_alarm(github, found, _people(repository, PLATFORM))
    said = [f"- {each.workflow} {each.reason}" for each in found] or ["Every schedule is kept."]
    if number:
        said.append(f"\nSee issue #{number}.")
    print("\n".join(said))
    add_summary("\n".join(said))


class _Each(Generic[T]):
    """What ``do`` makes of each folder; one that it refuses holds up no other."""

    def __init__(self, folders: Sequence[Path], do: Callable[[Path], T]) -> None:
        from ci.errors import MlopsError

        self.made: list[T] = []
        self._refused: list[MlopsError] = []
        for folder in folders:
            try:
                self.made.append(do(folder))
            except MlopsError as error:
                self._refused.append(error)

    def complain(self) -> None:
        """Fail with the first refusal, after all the others have got through."""
        if self._refused:
            raise self._refused[0]


def _decided(title: str, found: Sequence[Decision]) -> None:
    from ci.github.workflow import add_summary, set_output
    from ci.report.markdown import plain, table

    now = [each for each in found if each.day is not None]
    jobs = [job for each in now for job in _jobs(each)]
    set_output("matrix", json.dumps({"include": jobs}))
    set_output("count", str(len(jobs)))
    sharded = [{"model": each.model} for each in now if each.shards > 1]
    set_output("sharded", json.dumps({"include": sharded}))
    set_output("merges", str(len(sharded)))
    for each in found:
        print(f"{each.model}: {'now' if each.day else NOTHING}: {each.reason}.")
    rows = [[each.model, "yes" if each.day else "no", plain(each.reason)] for each in found]
    shown = table(["model", "now", "why"], rows) if rows else "No model asks for it."
    add_summary(f"### {title}\n\n{shown}")


def _jobs(decision: Decision) -> list[dict[str, str]]:
    """A job for each shard; their artifacts are not mistaken for those of another model."""
    model, of = decision.model, decision.shards
    assert decision.day is not None  # noqa: S101 (the caller's own choice)
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


def _folders(folder: Path) -> list[Path]:
    """What each job handed over; none where no job had anything."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _asked_people(repository: Repository, model: str) -> str:
    from ci.contract.model import load_model_contract

    return _people(repository, load_model_contract(repository, model).owner)


def _people(repository: Repository, team: str) -> str:
    """Who is mentioned for ``team``: a comment that names nobody reaches nobody."""
    from ci.contract.access import AccessPolicy
    from ci.contract.policy import load_policy

    members = load_policy(repository, AccessPolicy).team(team).members
    mentioned = " ".join(f"@{member}" for member in members)
    return mentioned or f"Team {team} (it has no members in policies/access.yaml)"
