"""The pull request that trains a model on newer data; training and judging are as for any other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.assets.bring import bring_dataset, make_dataset
from ci.assets.objects import objects_in
from ci.console import say
from ci.contract.dataset import dataset_dir, load_dataset
from ci.contract.model import load_model_contract
from ci.dataset.propose import read_anew
from ci.git import git
from ci.github.propose import Proposed, Text, propose
from ci.report.markdown import GAP, plain, table
from ci.retrain.decide import PREFIX, mark
from ci.retrain.window import Moved, move, retraining_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ci.contract.model import ModelContract
    from ci.github.client import GitHub
    from ci.repository import Repository


@dataclass(frozen=True)
class Retrained:
    """What came of it; ``pull`` is None where nothing would change."""

    model: str
    moved: Moved
    pull: Proposed | None

    def said(self) -> str:
        """One sentence in Markdown."""
        if self.pull is None:
            return (
                f"Nothing would change: the data goes to {self.moved.newest}, as it did when "
                f"{self.model} was trained, so that no pull request is opened."
            )
        return self.pull.said(
            {
                "opened": f"A {{link}} trains {self.model} on data up to {self.moved.newest}.",
                "updated": f"Its {{link}} has data up to {self.moved.newest} now.",
                "unchanged": "Its {link} is open with just this change.",
            }
        )


def request(
    repository: Repository,
    github: GitHub,
    opener: GitHub,
    name: str,
    reasons: Sequence[str],
    now: datetime,
) -> Retrained:
    """Fetch the data anew, move the window of ``name``, and ask for that to be merged.

    Raises:
        MlopsError: what ``move``, DVC, Git, CML or GitHub says.
    """
    contract = load_model_contract(repository, name)
    dataset = retraining_of(contract).dataset
    bring_dataset(repository, github, dataset, "runs this workflow again")
    before = _digests(repository, contract)
    read = _refresh(repository, github, opener, contract)
    moved = move(repository, name)
    paths = _changed(repository, contract, [moved.path, *read.paths])
    if not paths:
        return Retrained(name, moved, None)
    versions = {k: (before.get(k), v) for k, v in _digests(repository, contract).items()}
    text = _text(contract, moved, versions, reasons, mark(now), read.words)
    return Retrained(
        name, moved, propose(repository.root, github, opener, f"{PREFIX}{name}", paths, text)
    )


def _linked(text: str) -> str:
    """Numbers of issues work as links again: who follows one comes to where it began."""
    return re.sub(rf"#{GAP}(\d+)", r"#\1", text)


@dataclass(frozen=True)
class _Read:
    """Files that a declared source changed, and what is new in it, as Markdown."""

    paths: list[str]
    words: list[str]


def _refresh(
    repository: Repository, github: GitHub, opener: GitHub, contract: ModelContract
) -> _Read:
    """Read the source of the window's dataset again, by its stage or as it declares it.

    What its tables feed is made anew.
    """
    dataset, read = retraining_of(contract).dataset, _Read([], [])
    if (dataset_dir(repository, dataset) / "dvc.yaml").is_file():
        say(f"data/{dataset}: reading its source again …")
        make_dataset(repository, dataset, "--force")
    elif load_dataset(repository, dataset).refresh is not None:
        say(f"data/{dataset}: reading its source again …")
        done, paths = read_anew(repository, github, opener, dataset)
        read = _Read(paths, [done.words()] if done.new else [])
    for other in contract.datasets:
        if other != dataset:
            make_dataset(repository, other)
    return read


def _digests(repository: Repository, contract: ModelContract) -> dict[str, str]:
    return {each.path: each.md5 for each in objects_in(repository, contract.datasets)}


def _changed(repository: Repository, contract: ModelContract, own: Sequence[str]) -> list[str]:
    """The files that would be committed, of those that retraining may change."""
    datasets = dict.fromkeys([*contract.datasets, retraining_of(contract).dataset])
    locks = [f"data/{dataset}/dvc.lock" for dataset in datasets]
    listed = git(repository.root, "status", "--porcelain", "-z", "--", *own, *locks)
    return sorted(entry[3:] for entry in listed.split("\0") if entry)


def _text(
    contract: ModelContract,
    moved: Moved,
    versions: dict[str, tuple[str | None, str]],
    reasons: Sequence[str],
    marked: str,
    news: Sequence[str],
) -> Text:
    name, window = contract.name, retraining_of(contract)
    source = f"data/{window.dataset}, {window.table}.{window.column}"
    rows = [[f"`{key}`", plain(str(a)), plain(str(b))] for key, (a, b) in moved.changes.items()]
    data = [
        [f"`{path}`", f"`{(old or 'new')[:12]}`", f"`{new[:12]}`"]
        for path, (old, new) in versions.items()
        if old != new
    ]
    parts = [
        marked,
        f"**Why**: {_linked(plain('; '.join(reasons), 1000))}.",
        f"The newest {source} is now **{moved.newest}**. What changes:",
        *([table(["parameter", "before", "now"], rows)] if rows else []),
        *([table(["data", "version before", "now"], data)] if data else []),
        *news,
        "The model is trained, reported and judged as in any other pull request. If it is not "
        "better than what is live, the report says so and asks nobody for a review.",
    ]
    title = f"Retrain {name} on data up to {moved.newest}"
    return Text(title, "\n\n".join(parts), f"{title}\n\n{'; '.join(reasons)}")
