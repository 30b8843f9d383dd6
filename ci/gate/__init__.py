"""The policy applied to an evaluation: one verdict, a line per rule."""

from ci.contract.verdict import RuleResult, Verdict
from ci.gate.case import Case
from ci.gate.gate import Judgement, apply, judge, judgement

__all__ = ["Case", "Judgement", "RuleResult", "Verdict", "apply", "judge", "judgement"]
