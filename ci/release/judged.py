"""What the audit keeps of a judgement: how the candidate did, its verdict, what was waived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.event import Draft, Measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.contract.model import ModelContract
    from ci.contract.verdict import Verdict
    from ci.evaluate.outcome import Evaluation
    from ci.gate.gate import Judgement


class RefusedError(MlopsError):
    """The gate said no to a candidate; ``rule`` is the first that it breaks."""

    def __init__(self, judgement: Judgement, then: str) -> None:
        rule = judgement.verdict.failed()[0]
        name = judgement.contract.name
        super().__init__("refused", f"The gate refused {name}: {rule.rule}: {rule.detail} {then}")
        self.rule = rule
        self.candidate = judgement.verdict.fingerprint
        self.measured = measured(judgement.contract, judgement.evaluation)


def measured(contract: ModelContract, evaluation: Evaluation) -> Measured:
    """The primary metric against what decides, in numbers and in words."""
    from ci.evaluate.words import gain, span

    difference, interval = evaluation.difference, evaluation.interval
    text = f"{evaluation.metric}: {gain(contract, evaluation.metric, difference)}"
    if interval is not None:
        text += f" (95 % interval: {span(contract, evaluation.metric, interval)})"
    against = evaluation.against
    rival: float | None
    if evaluation.champion is not None:
        rival, named = evaluation.champion, f"version {evaluation.origin.champion_version}"
    else:
        rival, named = evaluation.baselines.get(against), f"the baseline {against}"
    return Measured(
        metric=evaluation.metric,
        candidate=evaluation.candidate,
        against=named,
        rival=rival,
        difference=difference,
        interval=interval,
        text=f"{text} than {named}" if difference else text,
    )


def verdict_line(verdict: Verdict) -> str:
    """The verdict in a few words; waived rules are named."""
    waived = [rule.rule for rule in verdict.rules if rule.result == "waived"]
    return f"{verdict.verdict}, waived: {', '.join(waived)}" if waived else verdict.verdict


def waivers(
    verdict: Verdict, version: int, actor: str, workflow_run: str | None = None
) -> list[Draft]:
    """An event a rule that ``version`` breaks and may break."""
    return [
        Draft(
            kind="waived",
            model=verdict.model,
            actor=actor,
            reason="policies/promotion.yaml has a waiver",
            version=version,
            rule=rule.rule,
            detail=rule.detail,
            workflow_run=workflow_run,
        )
        for rule in verdict.rules
        if rule.result == "waived"
    ]


def refusal(error: RefusedError, model: str, actor: str, reason: str) -> Draft:
    """The event of a release that the gate refused."""
    return Draft(
        kind="refused",
        model=model,
        actor=actor,
        reason=reason,
        candidate=error.candidate,
        measured=error.measured,
        rule=error.rule.rule,
        detail=error.rule.detail,
    )


def first_time(events: Sequence[Draft], draft: Draft) -> bool:
    """Whether ``draft`` is not the refusal of the same candidate once more."""
    if draft.kind != "refused":
        return True
    return not any(
        (each.kind, each.model, each.candidate) == (draft.kind, draft.model, draft.candidate)
        for each in events
    )
