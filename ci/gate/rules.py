"""The rules: each looks at a case and the policy's limits, and says whether it holds and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ci.evaluate.metrics import METRICS
from ci.evaluate.words import amount, gain, span
from ci.gate.case import Result
from ci.gate.compatibility import breaking_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.evaluate.outcome import Difference, Evaluation, Slice
    from ci.gate.case import Case, Judged

SHOWN = 5


def evaluation_present_and_current(case: Case) -> Result:
    """There is an evaluation, and it is of this candidate against today's champion."""
    if case.evaluation is None:
        return Result(False, "There is no evaluation of this candidate.")
    if not case.current:
        return Result(False, "The evaluation is of another candidate or against another champion.")
    return Result(True, "The evaluation is of exactly this candidate.")


def metrics_present(case: Judged) -> Result:
    """Every metric that the contract names is there and is a number."""
    found = {result.metric: result.candidate for result in case.evaluation.metrics}
    rules = case.contract.evaluation
    wanted = list(dict.fromkeys([rules.metric, *rules.also]))
    missing = [name for name in wanted if found.get(name) is None]
    if missing:
        return Result(False, f"No value for {', '.join(missing)}: missing or not a number.")
    return Result(True, f"Metrics with a value: {', '.join(wanted)}.")


def enough_rows(case: Judged) -> Result:
    """The holdout has enough rows to say anything."""
    rows, least = case.evaluation.rows, case.limits.enough_rows.minimum
    return Result(rows >= least, f"The holdout has {rows:,} rows; at least {least:,} are needed.")


def enough_units(case: Judged) -> Result:
    """The holdout has enough independent units to say anything with certainty."""
    units, least = case.evaluation.units, case.limits.enough_units.minimum
    return Result(
        units >= least,
        f"The holdout has {units:,} different values of {case.evaluation.unit}; "
        f"at least {least:,} are needed.",
    )


def primary_metric(case: Judged) -> Result:
    """A first version beats every baseline; a later one is not clearly worse than the champion."""
    differences = case.evaluation.metrics[0].differences
    champion = next((d for d in differences if d.kind == "champion"), None)
    if champion is not None:
        result = _against_champion(case, champion)
    else:
        result = _against_baselines(case, [d for d in differences if d.kind == "baseline"])
    return Result(result.holds, f"{result.detail}{_disagreement(case)}")


def _disagreement(case: Judged) -> str:
    """What other bootstrap units say where they differ: it decides nothing and is not hidden."""
    said = []
    for check in case.evaluation.checks:
        other = case.evaluation.rival(check)
        if other.verdict != case.evaluation.verdict:
            said.append(f" Counted by {check.unit} the finding is: {other.verdict}.")
    return "".join(said)


def _against_champion(case: Judged, difference: Difference) -> Result:
    said = _said(case, difference, f"champion (version {case.evaluation.origin.champion_version})")
    if difference.interval is None or difference.value is None:
        return Result(False, f"{said} Without an interval it can't be accepted.")
    allowed = case.limits.primary_metric.tolerance * abs(difference.value)
    metric = case.evaluation.metric
    limit = amount(case.contract, metric, allowed)
    said = f"{said} At most {limit} worse is allowed."
    behind = _fallen_behind(case, difference)
    if behind:
        return Result(False, f"{said} It no longer beats: {', '.join(behind)}.")
    return Result(difference.interval[0] >= -allowed, said)


def _fallen_behind(case: Judged, champion: Difference) -> list[str]:
    """Baselines that the champion beats on these rows and the candidate does not."""
    metric = METRICS[case.evaluation.metric]

    def quality(value: float | None) -> float:
        return float(metric.quality(np.array([-math.inf if value is None else value]))[0])

    baselines = [d for d in case.evaluation.metrics[0].differences if d.kind == "baseline"]
    mine, theirs = case.evaluation.candidate, champion.value
    return [
        d.against
        for d in baselines
        if d.value is not None and quality(mine) <= quality(d.value) < quality(theirs)
    ]


def _against_baselines(case: Judged, differences: list[Difference]) -> Result:
    by_interval = case.limits.primary_metric.first_version == "interval"
    lost = [d for d in differences if not _beats(d, by_interval)]
    names = ", ".join(d.against for d in lost)
    why = case.evaluation.origin.champion_problem
    start = f"The champion could not be compared ({why}), so baselines decide. " if why else ""
    if lost:
        clearly = "clearly " if by_interval else ""
        said = " ".join(_said(case, d, f"baseline {d.against}") for d in lost[:SHOWN])
        return Result(False, f"{start}It does not {clearly}beat: {names}. {said}")
    best = next(d for d in differences if d.against == case.evaluation.best_baseline)
    return Result(
        True, f"{start}It beats every baseline. {_said(case, best, f'baseline {best.against}')}"
    )


def _beats(difference: Difference, by_interval: bool) -> bool:
    if difference.difference is None or difference.interval is None:
        return False
    return (difference.interval[0] if by_interval else difference.difference) > 0


def _said(case: Judged, difference: Difference, against: str) -> str:
    metric = case.evaluation.metric
    text = f"Against the {against}: {gain(case.contract, metric, difference.difference)}"
    if difference.interval is None:
        return f"{text} ({difference.note})."
    return f"{text} (95 % interval over {case.evaluation.unit}: {_span(case, difference)})."


def _span(case: Judged, difference: Difference) -> str:
    assert difference.interval is not None  # noqa: S101 (callers have looked)
    return span(case.contract, case.evaluation.metric, difference.interval)


def slices(case: Judged) -> Result:
    """No slice that is large enough is clearly worse by more than the policy allows."""
    policy = case.limits.slices
    large = [
        s
        for s in case.evaluation.slices
        if s.rows >= policy.minimum_rows and s.units >= policy.minimum_units
    ]
    worse = [s for s in large if _clearly_worse(s, policy.tolerance)]
    if not case.contract.evaluation.slices:
        return Result(True, "The contract names no slices.")
    if not worse:
        return Result(True, f"None of {len(large)} slices is clearly worse than allowed.")
    named = [f"{s.column} {s.value} ({_slice_gain(case, s)})" for s in worse[:SHOWN]]
    more = f" and {len(worse) - SHOWN} more" if len(worse) > SHOWN else ""
    return Result(
        False,
        f"Clearly worse by more than {policy.tolerance:.0%}: {', '.join(named)}{more}.",
    )


def _clearly_worse(part: Slice, tolerance: float) -> bool:
    """The whole interval lies below what the policy allows; an undefined slice can't be judged."""
    if part.interval is None or part.rival is None:
        return False
    return part.interval[1] < -tolerance * abs(part.rival)


def _slice_gain(case: Judged, part: Slice) -> str:
    return gain(case.contract, case.evaluation.metric, part.difference)


def floors(case: Judged) -> Result:
    """What training reports reaches the contract's floors."""
    wanted = case.contract.evaluation.floors
    if not wanted:
        return Result(True, "The contract has no floors.")
    reported = case.evaluation.reported
    missing = [name for name in wanted if name not in reported]
    if missing:
        return Result(False, f"metrics.json has no {', '.join(missing)}, which has a floor.")
    low = [name for name, least in wanted.items() if not reported[name] >= least]
    shown = ", ".join(f"{n} {reported[n]:.4g} (floor {wanted[n]:g})" for n in low or wanted)
    return Result(not low, f"{'Below its floor' if low else 'Above the floors'}: {shown}.")


def parameters_in_range(case: Case) -> Result:
    """Every business parameter is in params.yaml and allowed."""
    problems = []
    for key, parameter in case.contract.parameters.items():
        value: Any = case.params
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        problem = parameter.problem_of(value)
        if problem:
            problems.append(f"{key} is {value!r} and {problem} (ask {parameter.owner})")
    if problems:
        return Result(False, f"In params.yaml: {'; '.join(problems)}.")
    return Result(True, f"Business parameters in range: {len(case.contract.parameters)}.")


def contract_compatible(case: Case) -> Result:
    """Those who call the champion can go on calling."""
    if case.champion_contract is None:
        return Result(True, "This is the first version: nobody calls it yet.")
    changes = breaking_changes(case.champion_contract, case.contract)
    if changes:
        more = f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        return Result(False, f"Callers would break: {'; '.join(changes[:SHOWN])}{more}.")
    return Result(True, "Callers of the champion can go on as they do.")


def holdout_kept(case: Case) -> Result:
    """From the same data come the same rows to be judged on: training can't choose easier ones."""
    before, found = case.champion_contract, case.evaluation
    if before is None:
        return Result(True, "This is the first version: no other rows to compare with.")
    rules, old = case.contract.evaluation, before.evaluation
    if found is None or case.champion_rows is None:
        return Result(True, "Which rows the champion was judged on is not recorded.")
    if (rules.target, rules.unit) != (old.target, old.unit) or not case.same_data:
        return Result(
            True, "Data or evaluation are others than the champion's, and so may rows be."
        )
    if found.rows_digest == case.champion_rows:
        return _slices_kept(case, found)
    return Result(
        False,
        f"The data are the champion's, but its pipeline wrote other rows into {rules.holdout} "
        f"({found.rows:,} rows; {rules.target} and {rules.unit} are compared): rows are left out, "
        "repeated or changed. Write the same rows, or ask team platform for a waiver.",
    )


def _slices_kept(case: Case, found: Evaluation) -> Result:
    """No row was put into another slice, in which a part that was made worse would not show."""
    assert case.champion_contract is not None  # noqa: S101 (its rows were compared)
    now, before = case.contract.evaluation, case.champion_contract.evaluation
    same = case.champion_slices in (None, found.slices_digest)
    if same or sorted(now.slices) != sorted(before.slices):
        return Result(True, "It is judged on the rows that the champion was judged on.")
    return Result(
        False,
        f"The data are the champion's, but its pipeline wrote other values of a slice "
        f"({', '.join(now.slices)}) into {now.holdout}: a part that was made worse could hide so. "
        "Write the same values, or ask team platform for a waiver.",
    )


CASE_RULES: tuple[Callable[[Case], Result], ...] = (
    holdout_kept,
    parameters_in_range,
    contract_compatible,
)
JUDGED_RULES: tuple[Callable[[Judged], Result], ...] = (
    metrics_present,
    enough_rows,
    enough_units,
    primary_metric,
    slices,
    floors,
)
