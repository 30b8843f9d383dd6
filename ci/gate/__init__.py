"""The policy applied to an evaluation: one verdict, a line per rule."""

from ci.gate.gate import Judgement, apply, judge, judgement
from ci.gate.rules import Case
from ci.gate.verdict import RuleResult, Verdict

__all__ = ["Case", "Judgement", "RuleResult", "Verdict", "apply", "judge", "judgement"]
