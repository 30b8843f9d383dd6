"""What speaks for retraining, read from GitHub and from the history of the checkout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ci.actor import NO_REASON
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.contract.retraining import RetrainingPolicy
from ci.errors import MlopsError
from ci.git import git
from ci.github.kept import kept_issues
from ci.monitor.issues import LABEL, of_performance
from ci.retrain.decide import GRACE, Decision, Round, Signs, moment, past_of
from ci.retrain.window import retraining_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.github.client import GitHub
    from ci.repository import Repository


def decisions(
    repository: Repository, github: GitHub, now: datetime, asked: str = "", reason: str = ""
) -> list[Decision]:
    """A decision for each model that is retrained by itself, or for the one that is ``asked`` for.

    A model whose contract is broken is named and holds up no other.

    Raises:
        MlopsError: for the model that is asked for: ``unknown_model``, ``bad_contract``,
            ``no_retraining``; for all: ``bad_policy``, or what GitHub says.
    """
    if asked:
        retraining_of(load_model_contract(repository, asked))
    policy, names = load_policy(repository, RetrainingPolicy), repository.model_names()
    issues = _fresh_issues(github, now)
    days = max(policy.budget.days, policy.cooldown_days)
    turn = Round(policy, past_of(_pulls(github, now - timedelta(days=days)), names), now)
    found = []
    for name in [asked] if asked else names:
        try:
            contract = load_model_contract(repository, name)
        except MlopsError as error:
            found.append(Decision(name, (), error.message))
            continue
        if contract.retraining is not None:
            signs = _signs(repository, name, contract.retraining.window.dataset, issues)
            by = f"{github.context.actor} asked for it: {reason or NO_REASON}"
            signs = Signs(**{**vars(signs), "asked": by if asked else None})
            found.append(turn.decide(name, contract.retraining, signs))
    return found


def _signs(repository: Repository, name: str, dataset: str, issues: dict[str, Any]) -> Signs:
    mine = {key: each for key, each in issues.items() if key.startswith(f"{LABEL}/{name}/")}
    worse = {key for key, each in mine.items() if of_performance(str(each["title"]))}
    return Signs(
        drift=tuple(sorted(mine[key]["number"] for key in mine.keys() - worse)),
        performance=tuple(sorted(mine[key]["number"] for key in worse)),
        data_changed=_data_changed(repository, dataset),
    )


def _fresh_issues(github: GitHub, now: datetime) -> dict[str, Any]:
    """Open ones of the newest checks: each check that finds the same again touches its issue.

    An old one asks no further: the data was looked at then, and went no further than before.
    """
    return {
        key: each
        for key, each in kept_issues(github, LABEL).items()
        if each["state"] == "open" and moment(str(each["updated_at"])) > now - GRACE
    }


def _data_changed(repository: Repository, dataset: str) -> datetime | None:
    """When the digests of ``dataset`` were last committed; None where the history is not here."""
    folder = f"data/{dataset}"
    files = [f"{folder}/dvc.lock", f":(glob){folder}/**/*.dvc"]
    said = git(repository.root, "log", "-1", "--format=%cI", "--", *files).strip()
    return moment(said).astimezone(UTC) if said else None


def _pulls(github: GitHub, since: datetime) -> Iterator[dict[str, Any]]:
    """Pull requests in any state, newest first, back to ``since``."""
    query = {"state": "all", "sort": "created", "direction": "desc"}
    for each in github.paginate(f"{github.repo}/pulls", query):
        if moment(str(each["created_at"])) < since and each["state"] != "open":
            return
        yield each
