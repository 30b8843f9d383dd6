"""The verdict: pass only if no rule fails."""

from __future__ import annotations

from typing import Literal

from ci.contract.base import Contract


class RuleResult(Contract):
    """One policy rule, what came of it, and why in one sentence."""

    rule: str
    result: Literal["pass", "fail", "waived"]
    detail: str


class Verdict(Contract):
    """The gate's decision on one candidate."""

    model: str
    fingerprint: str
    champion_version: int | None
    verdict: Literal["pass", "fail"]
    rules: list[RuleResult]

    def failed(self) -> list[RuleResult]:
        """The rules that refuse the candidate."""
        return [rule for rule in self.rules if rule.result == "fail"]
