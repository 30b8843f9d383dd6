"""A search in a workflow: what it hands over is held against the contract, kept, and proposed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci.contract.model import load_model_contract
from ci.contract.tuning import Tuning, dimensions
from ci.errors import MlopsError
from ci.files import read_json
from ci.github.propose import Text, propose
from ci.params import read_values
from ci.report.markdown import Chart, plain, table
from ci.state import StateBranch
from ci.state.local import registry_of
from ci.tune.outcome import Search
from ci.tune.record import keep_trials
from ci.tune.space import contains
from ci.tune.tune import write_best
from ci.tune.words import summary

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.columns import Scalar
    from ci.contract.model import ModelContract
    from ci.contract.tuning import Dimension
    from ci.github.client import GitHub
    from ci.repository import Repository

FOUND, PLOT = "tune.json", "tune.png"
PREFIX = "tune/"
SHOWN_TRIALS = 40
SEARCH = re.compile(r"\d{8}-\d{6}")
MOST_TRIALS = 10_000
# The job ends after 120 minutes with all that it found: the last trial has to come to its end.
MOST_MINUTES = 100.0
ENDINGS = {
    "opened": "A {link} proposes them.",
    "updated": "The open {link} proposes them now.",
    "unchanged": "The open {link} proposes just them.",
}


def budget_of(contract: ModelContract, trials: str, minutes: str) -> tuple[int, float]:
    """The budget that somebody typed into the workflow's form; empty takes the contract's.

    Raises:
        MlopsError: ``bad_budget``.
    """
    rules = contract.tune or Tuning()
    try:
        most = int(trials) if trials.strip() else rules.trials
        longest = float(minutes) if minutes.strip() else min(rules.minutes, MOST_MINUTES)
    except ValueError:
        most, longest = 0, 0.0
    if not (1 <= most <= MOST_TRIALS and 0 < longest <= MOST_MINUTES):
        raise MlopsError(
            "bad_budget",
            f"trials {trials!r} is to be a whole number from 1 to {MOST_TRIALS} and minutes "
            f"{minutes!r} a number up to {MOST_MINUTES:g}; or leave them empty.",
        )
    return most, longest


def publish(repository: Repository, github: GitHub, opener: GitHub, name: str, folder: Path) -> str:
    """Keep the trials in MLflow and propose the best, or say that none were better; in Markdown.

    Raises:
        MlopsError: ``bad_handover`` where model code put something else there, what GitHub, Git
            or CML says.
    """
    contract = load_model_contract(repository, name)
    found = _read(repository, contract, folder / FOUND)
    _keep(repository, github, found)
    words = [plain(line, 1000) for line in summary(contract, found)]
    if not found.changes():
        return "\n\n".join([*words, "No pull request is opened."])
    path = write_best(repository, found)
    title = f"Better parameters for {name}"
    body = "\n\n".join([words[0], *_details(github, found), *words[1 + len(found.changes()) :]])
    text = Text(title, body, f"{title}\n\nFound by a search of {len(found.trials)} trials.")
    done = propose(repository.root, github, opener, f"{PREFIX}{name}", [path], text)
    return "\n\n".join([*words, done.said(ENDINGS)])


def _keep(repository: Repository, github: GitHub, found: Search) -> None:
    def change(state: Path) -> int:
        with registry_of(state) as registry:
            return keep_trials(registry, found, github.context.run_url)

    message = f"Search of {found.model}: {len(found.trials)} trials"
    StateBranch(repository.root).update(message, change)


def _read(repository: Repository, contract: ModelContract, path: Path) -> Search:
    """What was handed over, where it could have come from a search of this contract."""
    params = repository.model_dir(contract.name) / "params.yaml"
    space = dimensions(contract.tune or Tuning(), contract.parameters)
    today = read_values(params, repository.relative(params), {each.key: 0 for each in space})
    try:
        found = Search.model_validate(read_json(path))
    except ValueError:
        found = None
    named = found and (found.model, found.metric) == (contract.name, contract.evaluation.metric)
    if not (found and named and SEARCH.fullmatch(found.search) and _fits(found, space, today)):
        raise MlopsError(
            "bad_handover",
            f"{path.name} is not what a search of models/{contract.name} as it is on this commit "
            "writes; run the workflow again.",
        )
    return found


def _fits(found: Search, space: list[Dimension], today: dict[str, Scalar]) -> bool:
    """Whether its trials are those of this space, from the parameters of ``today`` on."""
    numbers = [trial.number for trial in found.trials]
    if numbers != list(range(len(numbers))) or not 0 < len(numbers) <= MOST_TRIALS + 1:
        return False
    first, *others = (trial.parameters for trial in found.trials)
    keys = {each.key for each in space}
    allowed = all(
        set(tried) == keys and all(contains(each, tried[each.key]) for each in space)
        for tried in others
    )
    best = found.best
    return first == today and allowed and (best is None or best in numbers[1:])


def _details(github: GitHub, found: Search) -> list[str]:
    changes = [[f"`{k}`", plain(str(a)), plain(str(b))] for k, (a, b) in found.changes().items()]
    return [
        table(["parameter", "today", "proposed"], changes),
        *_chart(found),
        f"All {len(found.trials)} trials are runs in MLflow, in the experiment "
        f"`{found.model}-tune`, and with their plot in the artifact `tune-{found.model}` of "
        f"[this run]({github.context.run_url}#artifacts).",
        "The model is trained, reported and judged as in any other pull request.",
    ]


def _chart(found: Search) -> list[str]:
    """The trials that ended well, where bars can show them: nothing below nought."""
    known = {each.number: each.value for each in found.trials if each.value is not None}
    shown = dict(list(known.items())[:SHOWN_TRIALS])
    if not shown or min(shown.values()) < 0:
        return []
    today = [found.as_is.value or 0.0] * len(shown)
    title = f"{found.metric} of each trial; the line is today's"
    labels = [f"trial {number}" for number in shown]
    return [Chart(title, found.metric, labels, list(shown.values()), today).mermaid()]
