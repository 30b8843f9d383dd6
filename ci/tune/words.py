"""What a search found, in sentences for a terminal and for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.evaluate.words import amount, gain, span

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.tune.outcome import Search


def summary(contract: ModelContract, found: Search) -> list[str]:
    """The finding first, then what changes, then how far it can be trusted."""
    return [_finding(contract, found), *_changes(found), found.note, *_failed(found)]


def _finding(contract: ModelContract, found: Search) -> str:
    def shown(value: float | None) -> str:
        return amount(contract, found.metric, value)

    tried = len(found.trials) - 1
    today = f"{found.metric} {shown(found.as_is.value)} with the parameters of today"
    if found.proposed is None:
        return f"{found.model}: none of {tried} trials was better than {today}."
    sure = {
        "better": "better beyond chance on these rows",
        "worse": "worse",
        "no clear difference": "which may be chance",
        "unknown": "how sure that is can't be said",
    }[found.finding or "unknown"]
    interval = (
        f", 95 % interval {span(contract, found.metric, found.interval)}" if found.interval else ""
    )
    return (
        f"{found.model}: the best of {tried} trials, number {found.best}, has {found.metric} "
        f"{shown(found.proposed.value)}; {today}. Difference "
        f"{gain(contract, found.metric, found.difference)}{interval}: {sure}."
    )


def _changes(found: Search) -> list[str]:
    return [f"  {key}: {old} → {new}" for key, (old, new) in found.changes().items()]


def _failed(found: Search) -> list[str]:
    failed = [trial for trial in found.trials if trial.problem]
    if not failed:
        return []
    return [f"{len(failed)} trials failed; the first: {failed[0].problem}"]
