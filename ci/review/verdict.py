"""`verdict.json`: what was judged and how; deployment relies on it."""

from __future__ import annotations

from typing import Literal

from ci.contract.base import Contract
from ci.contract.verdict import RuleResult  # noqa: TC001 (pydantic reads it at run time)
from ci.events.event import Measured  # noqa: TC001


class ReviewedModel(Contract):
    """One touched model. Without a candidate the verdict is ``fail`` and ``problem`` says why.

    ``source`` is the fingerprint of the checkout, ``fingerprint`` that of the candidate,
    ``measured`` how that did.
    """

    model: str
    owner: str | None
    source: str | None
    fingerprint: str | None
    bento_digest: str | None
    champion_version: int | None
    champion_fingerprint: str | None
    holdout_digest: str | None
    verdict: Literal["pass", "fail"]
    rules: list[RuleResult]
    problem: str | None
    measured: Measured | None = None

    def reason(self) -> str:
        """Why it fails, in a few words."""
        failed = [f"the rule {rule.rule}" for rule in self.rules if rule.result == "fail"]
        return self.problem or next(iter(failed), "")


class Reviewed(Contract):
    """All touched models of one commit of one pull request.

    ``run_id`` and ``run_attempt`` are those of the pull request's run whose artifacts were read;
    ``base_sha`` is the commit of the default branch whose code and policies judged.
    """

    pull: int
    head_sha: str
    base_sha: str
    run_id: int
    run_attempt: int
    judged_at: str
    models: list[ReviewedModel]

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        """Pass only if every model passes."""
        return "pass" if all(model.verdict == "pass" for model in self.models) else "fail"
