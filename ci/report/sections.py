"""One model's part of the report, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS
from ci.evaluate.words import amount
from ci.report.charts import charts
from ci.report.comparison import checks, in_words, metrics, slices
from ci.report.markdown import details, name, plain, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.contract.verdict import RuleResult
    from ci.evaluate.outcome import Difference
    from ci.gate import Judgement
    from ci.report.changes import Changed, Changes

CHANGES_SHOWN = 20
RESULT_WORDS = {"pass": "pass", "fail": "**FAIL**", "waived": "**waived**"}
RULE_WORDS = {
    "evaluation_present_and_current": "The evaluation is of this candidate",
    "holdout_kept": "Judged on the same rows as before",
    "metrics_present": "Every metric has a value",
    "enough_rows": "Enough rows to judge on",
    "enough_units": "Enough independent cases to judge on",
    "primary_metric": "Good enough overall",
    "slices": "No part made clearly worse",
    "floors": "Quality floors reached",
    "parameters_in_range": "Business parameters within their range",
    "contract_compatible": "Callers can go on as they do",
}


@dataclass(frozen=True)
class Block:
    """A piece of Markdown; ``name`` is what is said to be missing if there is no room for it.

    Blocks of a lower ``rank`` are kept first.
    """

    name: str
    rank: int
    text: str


@dataclass(frozen=True)
class Subject:
    """A judged model, and what changed since its champion (None for a first version)."""

    judgement: Judgement
    changes: Changes | None


def blocks(subject: Subject) -> list[Block]:
    """The parts of one model's report, in the order in which they are read."""
    parts: list[tuple[str, int, Callable[[Subject], str]]] = [
        ("verdict", 0, _verdict),
        ("metrics", 1, metrics),
        ("other ways of counting", 1, checks),
        ("slices", 2, slices),
        ("what changed", 2, _changes),
        ("what merging will do", 1, _merging),
        ("charts", 4, charts),
        ("rules", 3, _rules),
    ]
    made = [Block(part, rank, write(subject)) for part, rank, write in parts]
    return [block for block in made if block.text]


def headline(judgement: Judgement) -> str:
    """The verdict in a sentence or two."""
    verdict = judgement.verdict
    if verdict.verdict == "pass":
        waived = [rule_in_words(r) for r in verdict.rules if r.result == "waived"]
        but = f" One or more rules were waived: {'; '.join(waived)}." if waived else ""
        return f"**Pass: this candidate may go live.** {summary(judgement)}{but}"
    return f"**Fail: this candidate must not go live.** {short(judgement)}"


def short(judgement: Judgement) -> str:
    """How the candidate does, or which rule refuses it, in a sentence or two."""
    failed = judgement.verdict.failed()
    if not failed:
        return summary(judgement)
    more = f" ({len(failed)} rules failed; all are listed below.)" if failed[1:] else ""
    return f"{rule_in_words(failed[0])}: no. {plain(failed[0].detail, 600)}{more}"


def rule_in_words(rule: RuleResult) -> str:
    """What a rule asks for, for people."""
    return RULE_WORDS.get(rule.rule, rule.rule)


def summary(judgement: Judgement) -> str:
    """How the candidate does on the metric that decides, in a sentence."""
    found, contract = judgement.evaluation, judgement.contract
    metric = METRICS[found.metric]
    mine = plain(amount(contract, found.metric, found.candidate))
    rival = found.rival(found.metrics[0])
    other = plain(amount(contract, found.metric, rival.value))
    return (
        f"The {metric.label} is {mine}, against {other} for {_against(judgement, rival)} "
        f"({metric.direction()}): {in_words(rival.verdict)}."
    )


def _against(judgement: Judgement, difference: Difference) -> str:
    if difference.kind == "champion":
        return f"the champion (version {judgement.evaluation.origin.champion_version})"
    return f"the best baseline, {name(difference.against)}"


def _verdict(subject: Subject) -> str:
    judgement = subject.judgement
    contract, found = judgement.contract, judgement.evaluation
    problem = found.origin.champion_problem
    note = (
        f"\n\n> The champion could not be compared: {plain(problem, 500)}. Baselines decide."
        if problem
        else ""
    )
    return (
        f"## {plain(contract.name)}\n\n{headline(judgement)}\n\n"
        f"{plain(contract.description)} Owner: {plain(contract.owner)}. Judged on {found.rows:,} "
        f"rows kept aside for this, with {found.units:,} different values of "
        f"{name(found.unit)}.{note}"
    )


def _rules(subject: Subject) -> str:
    rules = subject.judgement.verdict.rules
    rows = [
        [rule_in_words(r), RESULT_WORDS[r.result], plain(r.detail, 600)]
        for r in sorted(rules, key=lambda rule: ["fail", "waived", "pass"].index(rule.result))
    ]
    body = table(["rule", "result", "why"], rows)
    return details(f"All {len(rules)} rules of the policy", body)


def _changes(subject: Subject) -> str:
    found = subject.changes
    if found is None:
        return "### What changed\n\nEverything: this is the first version."
    if not found.params and not found.data:
        text = "Neither parameters nor data; what differs is code, or nothing."
        return f"### What changed since the champion\n\n{text}"
    parts = []
    if found.params:
        rows = [[plain(k, 80), _setting(a), _setting(b)] for k, (a, b) in _first(found.params)]
        header = ["parameter", "champion", "candidate"]
        parts.append(table(header, rows) + _more(found.params, "parameters"))
    else:
        parts.append("No parameter changed.")
    if found.data:
        lines = [f"- {plain(path)}: {_data_change(*pair)}" for path, pair in _first(found.data)]
        parts.append("Data:\n\n" + "\n".join(lines) + _more(found.data, "files"))
    else:
        parts.append("The data is the same.")
    return "### What changed since the champion\n\n" + "\n\n".join(parts)


def _first(changed: Changed) -> list[tuple[str, tuple[object, object]]]:
    return list(changed.items())[:CHANGES_SHOWN]


def _more(changed: Changed, what: str) -> str:
    left = len(changed) - CHANGES_SHOWN
    return f"\n\nAnd {left:,} more {what}." if left > 0 else ""


def _setting(value: object) -> str:
    return "not set" if value is None else plain(value, 80)


def _data_change(before: object, now: object) -> str:
    if before is None:
        return "new"
    return "no longer read" if now is None else "other content"


def _merging(subject: Subject) -> str:
    verdict, live = subject.judgement.verdict, subject.judgement.champion
    model = plain(subject.judgement.contract.name)
    if verdict.verdict == "fail":
        what = (
            f"The deployment refuses this candidate: version {live.version} stays live."
            if live
            else "The deployment refuses this candidate: nothing goes live."
        )
    elif live is not None and live.fingerprint == subject.judgement.evaluation.origin.fingerprint:
        what = f"Nothing: this candidate is version {live.version}, which is live already."
    elif live is None:
        what = (
            "This candidate is registered as the first version, tried on staging and released; "
            f"hosts that are given {model} take it from there."
        )
    else:
        what = (
            f"This candidate is registered as the next version and replaces version "
            f"{live.version}, which is kept: `mlops rollback {model}` brings it back."
        )
    return f"### What merging will do\n\n{what}"
