"""An evaluation in short, as a version carries it to the page of its API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.contract.evaluated import Evaluated
from ci.evaluate.metrics import METRICS
from ci.evaluate.words import amount, gain, span

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.evaluate.outcome import Difference, Evaluation


def in_short(contract: ModelContract, evaluation: Evaluation) -> Evaluated:
    """``evaluation``, which decides now, in short and in words."""
    rival = evaluation.rival(evaluation.metrics[0])
    champion = f"version {evaluation.origin.champion_version}"
    against = champion if rival.kind == "champion" else rival.against
    return Evaluated(
        metric=evaluation.metric,
        value=evaluation.candidate,
        against=against,
        rival=rival.value,
        difference=rival.difference,
        interval=rival.interval,
        verdict=rival.verdict,
        rows=evaluation.rows,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        said=_said(contract, evaluation, rival, against),
        rows_digest=evaluation.rows_digest,
        slices_digest=evaluation.slices_digest,
    )


def _said(contract: ModelContract, evaluation: Evaluation, rival: Difference, against: str) -> str:
    metric = METRICS[evaluation.metric]
    mine, other = (
        amount(contract, metric.name, each) for each in (evaluation.candidate, rival.value)
    )
    whose = f"for {against}" if rival.kind == "champion" else f"for the simple rule {against!r}"
    interval = (
        f" (95 % sure: {span(contract, metric.name, rival.interval)})" if rival.interval else ""
    )
    return (
        f"On {evaluation.rows:,} rows kept apart for judging its {metric.label} was {mine}, "
        f"{other} {whose}: {gain(contract, metric.name, rival.difference)}{interval}. "
        f"{metric.direction().capitalize()}."
    )
