"""`mlops ci watched`, `drift` and `watchdog`: drift by the clock, and missed schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Model
from ci.cli.steps.each import Asked, Each, Folder, folders
from ci.cli.steps.matrix import Answer, put_out

if TYPE_CHECKING:
    from ci.monitor.issues import DriftRecord
    from ci.monitor.runs import Run
    from ci.repository import Repository


def register(app: typer.Typer) -> None:
    """Add this flow's steps to ``app``."""
    for command in (watched, drift, watchdog):
        app.command()(command)
    app.command("publish-drift")(publish_drift)


def watched(model: Asked = "") -> None:
    """Say which models are checked for drift, as the matrix of the jobs that follow."""
    from ci.clock.due import watched_models
    from ci.repository import Repository
    from ci.state.local import fetch, state_folder

    repository = Repository.find()
    fetch(repository)
    found = watched_models(repository, state_folder(repository), model, datetime.now(UTC))
    jobs = [{"model": each.model, "language": each.language} for each in found if each.day]
    answers = [Answer(each.model, each.day is not None, each.reason) for each in found]
    put_out("Drift", answers, jobs, "No model has a key monitoring.")


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

    read = Each(folders(folder), read_one)
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
