"""`mlops gate`: the policy applied to the candidate, and the verdict written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.contract.promotion import PromotionPolicy
from ci.contract.verdict import RuleResult, Verdict
from ci.files import read_yaml_quickly, write_json
from ci.gate.case import Case, Judged, Result
from ci.gate.rules import CASE_RULES, JUDGED_RULES, evaluation_present_and_current
from ci.pipeline.candidate import candidate_dir, current_candidate

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.evaluate.candidate import Servable
    from ci.evaluate.outcome import Evaluation
    from ci.pipeline.candidate import Candidate
    from ci.repository import Repository


@dataclass(frozen=True)
class Judgement:
    """A verdict with all that it rests on."""

    contract: ModelContract
    candidate: Candidate
    champion: Servable | None
    evaluation: Evaluation
    verdict: Verdict


def judge(repository: Repository, name: str) -> Verdict:
    """The verdict on the current candidate of ``name``, evaluated first if need be.

    Raises:
        MlopsError: ``bad_policy``, or as ``ci.evaluate.candidate.evaluate_model``.
    """
    return judgement(repository, name).verdict


def judgement(repository: Repository, name: str) -> Judgement:
    """As ``judge``, with what the verdict rests on; writes `verdict.json`."""
    from ci.evaluate.candidate import current_evaluation, is_current
    from ci.registry.champion import champion

    contract = load_model_contract(repository, name)
    policy = load_policy(repository, PromotionPolicy)
    candidate = current_candidate(repository, contract)
    live = champion(repository, name)
    evaluation = current_evaluation(repository, contract, candidate, live)
    case = Case(
        contract=contract,
        evaluation=evaluation,
        current=is_current(evaluation, candidate, live),
        champion_contract=live.contract if live else None,
        params=read_yaml_quickly(repository.model_dir(name) / "params.yaml"),
        champion_rows=champion_digest(repository, name, "rows_digest"),
        champion_slices=champion_digest(repository, name, "slices_digest"),
        same_data=same_data(repository, candidate, live),
    )
    verdict = apply(policy, case, candidate.fingerprint, datetime.now(UTC).date())
    write_json(candidate_dir(repository, name) / "verdict.json", verdict.model_dump(mode="json"))
    return Judgement(contract, candidate, live, evaluation, verdict)


def champion_digest(
    repository: Repository, name: str, of: Literal["rows_digest", "slices_digest"]
) -> str | None:
    """A digest of the rows that the champion was judged on, where its release recorded it."""
    from ci.registry.champion import in_production

    version = in_production(repository, name)
    found = (version.evaluation or {}).get(of) if version else None
    return found if isinstance(found, str) else None


def same_data(repository: Repository, candidate: Candidate, live: Servable | None) -> bool:
    """Whether the candidate was trained on exactly the champion's data, and on no other model."""
    from ci.report.changes import recorded

    if live is None or live.contract.depends_on:
        return False
    before = recorded(repository, live).data
    return bool(before) and before == candidate.data


def apply(policy: PromotionPolicy, case: Case, fingerprint: str, today: date) -> Verdict:
    """The verdict that ``policy`` gives on ``case``, with a line for every rule."""
    found = [("evaluation_present_and_current", evaluation_present_and_current(case))]
    limits = policy.limits(case.contract.name)
    for rule in JUDGED_RULES:
        if case.evaluation is None:
            result = Result(False, "There is no evaluation to decide on.")
        else:
            result = rule(Judged(case.contract, case.evaluation, limits))
        found.append((rule.__name__, result))
    found += [(check.__name__, check(case)) for check in CASE_RULES]
    rules = [_waived(policy, case.contract.name, name, result, today) for name, result in found]
    return Verdict(
        model=case.contract.name,
        fingerprint=fingerprint,
        champion_version=case.evaluation.origin.champion_version if case.evaluation else None,
        verdict="fail" if any(rule.result == "fail" for rule in rules) else "pass",
        rules=rules,
    )


def _waived(
    policy: PromotionPolicy, model: str, rule: str, result: Result, today: date
) -> RuleResult:
    if result.holds:
        return RuleResult(rule=rule, result="pass", detail=result.detail)
    waiver = policy.waiver(model, rule, today)
    if waiver is None:
        return RuleResult(rule=rule, result="fail", detail=result.detail)
    detail = f"{result.detail} Waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"
    return RuleResult(rule=rule, result="waived", detail=detail)
