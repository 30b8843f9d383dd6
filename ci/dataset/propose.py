"""New rows as a pull request that says what changed; what it brings is stored before it opens."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ci.assets.bring import bring_dataset
from ci.assets.data import DataStore
from ci.assets.keep import push_data
from ci.assets.objects import Cache
from ci.contract.dataset import load_dataset
from ci.dataset.refresh import Refreshed, declared, refresh_dataset
from ci.github import pulls
from ci.github.propose import Proposed, Text, fetch, propose, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.github.client import GitHub
    from ci.repository import Repository

PREFIX = "data/"
ENDINGS = {
    "opened": "A {link} asks for this version.",
    "updated": "Its {link} has this version now.",
    "unchanged": "Its {link} is open with just this version.",
    "refused": "Its {link} with just this version was closed, so that none is opened until the "
    "source has other rows, or somebody runs this workflow by hand.",
}
CLOSING = (
    "The source holds what is on the main branch again, as [this run]({url}) saw, so that there is "
    "nothing to merge."
)


@dataclass(frozen=True)
class Asked:
    """What was read, and the pull request for it: None where there is nothing to ask for."""

    done: Refreshed
    pull: Proposed | None

    def said(self) -> str:
        """What came of it, in Markdown."""
        if self.pull is None:
            return self.done.words()
        return f"{self.done.words()}\n\n{self.pull.said(ENDINGS)}"


def propose_refresh(repository: Repository, github: GitHub, opener: GitHub, name: str) -> Asked:
    """Refresh the dataset and ask for its new version to be merged; None where nothing is new.

    ``opener`` has the token that pushes and opens. One pull request a dataset: what is open is
    brought up to date, and closed where the source holds what is on main again.

    Raises:
        MlopsError: as `refresh_dataset`; ``no_data`` where the version before is stored nowhere.
    """
    bring_dataset(repository, github, name, "runs this workflow again")
    branch = f"{PREFIX}{name}"
    done, paths = read_anew(repository, github, opener, name)
    if not done.new:
        for each in pulls.open_pulls(github, f"{github.context.owner}:{branch}"):
            pulls.close(opener, each["number"], CLOSING.format(url=github.context.run_url))
        return Asked(done, None)
    by_hand = github.context.event_name == "workflow_dispatch"
    text = _text(done, github)
    return Asked(done, propose(repository.root, github, opener, branch, paths, text, again=by_hand))


def read_anew(
    repository: Repository, github: GitHub, opener: GitHub, name: str
) -> tuple[Refreshed, list[str]]:
    """Refresh the dataset, which is here, and store what is new; returns the files to commit.

    Rows that wait to be merged in its own pull request are in the version, too.

    Raises:
        MlopsError: as `refresh_dataset`, or what GitHub says.
    """
    rules, _, table = declared(repository, load_dataset(repository, name))
    record = f"data/{name}/{table.file}.dvc"
    with ExitStack() as stack:
        waiting = None
        if rules.mode == "append":
            kept = _waiting(repository, github, opener, f"{PREFIX}{name}", record)
            waiting = stack.enter_context(kept)
        done = refresh_dataset(repository, name, waiting)
    if not done.new:
        return done, []
    push_data(repository, github, name)
    return done, [record, f"{record.rpartition('/')[0]}/.gitignore"]


@contextmanager
def _waiting(
    repository: Repository, github: GitHub, opener: GitHub, branch: str, record: str
) -> Iterator[Path | None]:
    """The table of the open pull request, where that was made from the version that is here.

    A source may hold the newest rows only: those that wait to be merged must not be lost.
    """
    root = repository.root
    if not pulls.open_pulls(github, f"{github.context.owner}:{branch}"):
        yield None
        return
    commit = fetch(root, opener, f"refs/heads/{branch}")
    text = show(root, commit, record)
    if text is None or show(root, f"{commit}^", record) != show(root, "HEAD", record):
        yield None
        return
    (out,) = yaml.safe_load(text)["outs"]
    cache = Cache(repository)
    lost = DataStore(repository, github).bring(cache, [out["md5"]])
    with tempfile.TemporaryDirectory(prefix="mlops-waiting-") as folder:
        table = Path(folder, out["path"])
        if not lost:
            shutil.copyfile(cache.path(out["md5"]), table)
        yield None if lost else table


def _text(done: Refreshed, github: GitHub) -> Text:
    rows = f"{done.rows - done.rows_before:+,} rows"
    title = f"New data in {done.name}: {rows if done.rows_before else f'{done.rows:,} rows'}"
    body = (
        f"{done.words()}\n\nMerged, it is the version that models are trained on next; the models "
        "that read it are trained and judged here. Until then nothing changes. The next reading "
        "brings this pull request up to date; closed, it is not opened again for the same rows. "
        f"Read by [this run]({github.context.run_url})."
    )
    return Text(title, body, title)
