"""Which datasets are read anew now: what was late, dropped or failed is caught up once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.contract.dataset import load_dataset
from ci.cron import Cron
from ci.errors import MlopsError
from ci.github.runs import runs_of_workflow
from ci.storage.folder import is_left_behind

if TYPE_CHECKING:
    from ci.contract.refresh import Refresh
    from ci.github.client import GitHub
    from ci.repository import Repository

WORKFLOW = "data.yml"
RUNS = 100


@dataclass(frozen=True)
class Decision:
    """Whether the source of a dataset is read now, and why or why not."""

    dataset: str
    go: bool
    reason: str


def due_datasets(
    repository: Repository, github: GitHub, now: datetime, asked: str = ""
) -> list[Decision]:
    """A decision for each dataset that says where new rows come from, or for the one ``asked``.

    A dataset whose contract is broken is named and holds up no other. After a push only what lies
    in this repository is read.

    Raises:
        MlopsError: ``unknown_dataset``, ``bad_dataset`` or ``no_refresh`` for the one ``asked``.
    """
    if asked:
        if load_dataset(repository, asked).refresh is None:
            raise MlopsError("no_refresh", f"data/{asked}/dataset.yaml has no key refresh; add it.")
        return [Decision(asked, True, f"{github.context.actor} asked for it")]
    pushed = github.context.event_name == "push"
    read = None if pushed else _last_reading(github)
    found = []
    for name in repository.dataset_names():
        try:
            rules = load_dataset(repository, name).refresh
        except MlopsError as error:
            found.append(Decision(name, False, error.message))
            continue
        if rules is not None:
            go, reason = _decide(repository, rules, now, read, pushed=pushed)
            found.append(Decision(name, go, reason))
    return found


def _decide(
    repository: Repository, rules: Refresh, now: datetime, read: datetime | None, *, pushed: bool
) -> tuple[bool, str]:
    inside = rules.source.folder is not None and not Path(rules.source.folder).is_absolute()
    if inside and not _holds_files(repository.root / str(rules.source.folder)):
        return False, f"nothing lies in {rules.source.folder}"
    if pushed:
        return inside, "files were uploaded" if inside else "its source is elsewhere"
    slot = Cron.parse(rules.schedule).last(now) if rules.schedule else None
    if slot is None:
        return True, "it is read every day"
    if read is not None and read >= slot:
        return False, f"read since {slot:%F %H:%M} UTC, when it was due"
    return True, f"due since {slot:%F %H:%M} UTC"


def _last_reading(github: GitHub) -> datetime | None:
    """When the newest run by the clock began in which every source that was due could be read."""
    for run in runs_of_workflow(github, WORKFLOW, RUNS, "schedule"):
        if run["conclusion"] == "success":
            return datetime.fromisoformat(str(run["created_at"]))
    return None


def _holds_files(folder: Path) -> bool:
    """Whether anybody put something there; Git keeps no empty folder."""
    if not folder.is_dir():
        return False
    return any(each.is_file() and not is_left_behind(each.name) for each in folder.iterdir())
