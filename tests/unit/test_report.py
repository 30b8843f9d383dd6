"""The report: verdict first, in words, complete, harmless and short enough."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ci.contract.model import ModelContract
from ci.contract.promotion import PromotionPolicy
from ci.evaluate.candidate import Servable
from ci.evaluate.outcome import Evaluation
from ci.gate import Case, Judgement, apply
from ci.pipeline.candidate import Candidate
from ci.report.changes import Changes, Recorded, changes
from ci.report.markdown import Chart, plain
from ci.report.parts import Unjudged
from ci.report.report import render
from ci.report.sections import Subject
from tests.support.judging import ACTUAL, CONTRACT, contract, evaluation, holdout, policy
from tests.support.judging import predictions as guess

TODAY = date(2026, 3, 1)
CANDIDATE = Candidate(
    model="demand",
    run_id="1",
    fingerprint="f" * 40,
    trained_at="",
    seconds=1.0,
    git_commit=None,
    outputs={},
    metrics={},
    params={"train": {"trees": 100, "depth": 4}},
    data={"data/sales/a.csv": "new", "data/sales/b.csv": "same"},
    inputs={},
)
NOTHING = Changes()


def subject(
    judged: Evaluation | None = None,
    rules: ModelContract | None = None,
    policy_: PromotionPolicy | None = None,
    changed: Changes | None = None,
) -> Subject:
    judged = evaluation() if judged is None else judged
    rules = rules or contract()
    live = judged.origin.champion_version is not None
    champion = Servable(Path("predict.R"), Path("artifact"), rules, 3, "e" * 40) if live else None
    case = Case(rules, judged, True, champion.contract if champion else None, CANDIDATE.params)
    verdict = apply(policy_ or policy(), case, "f" * 40, TODAY)
    return Subject(Judgement(rules, CANDIDATE, champion, judged, verdict), changed)


def test_the_verdict_comes_first_in_a_sentence() -> None:
    text = render([subject()])
    assert text.startswith(
        "## demand\n\n**Pass: this candidate may go live.** The average error is"
    )
    assert "for the best baseline, mean (lower is better): clearly better." in text


def test_a_refusal_says_which_rule_and_what_merging_will_not_do() -> None:
    text = render([subject(evaluation(guess(6.0), guess(5.0)), changed=NOTHING)])
    assert "**Fail: this candidate must not go live.** Good enough overall: no. " in text
    assert "worse" in text.split("\n")[2]
    assert "The deployment refuses this candidate: version 3 stays live." in text


def row_of(text: str, start: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(f"| {start}")).split(" | ")


def test_each_metric_has_a_line_in_business_units_and_words() -> None:
    judged = evaluation(guess(4.0), guess(5.0))
    text = render([subject(judged, changed=NOTHING)])
    mae = row_of(text, "**average error")
    assert mae[1].endswith(" units")
    assert mae[3].endswith(" units better")
    assert mae[4].startswith("between ")
    assert mae[5] == "**better** |"
    wape = row_of(text, "error as a share")
    assert wape[2].endswith(" %")
    assert wape[3].endswith(" percentage points better")
    assert "| what is measured | champion | candidate | difference |" in text


@pytest.mark.parametrize(("error", "word"), [(4.0, "better"), (5.0, "no clear difference")])
def test_words_follow_the_interval(error: float, word: str) -> None:
    text = render([subject(evaluation(guess(error), guess(5.0)), changed=NOTHING)])
    assert row_of(text, "**average error")[5] == f"**{word}** |"


def test_another_way_of_counting_that_disagrees_is_not_hidden() -> None:
    week = holdout()["week"].to_numpy()
    units = ACTUAL + np.where(week == 0, 0.0, 9.1) * (np.array(guess(1.0)["units"]) - ACTUAL)
    judged = evaluation({"units": list(units)}, guess(9.0))
    text = render([subject(judged, changed=NOTHING)])
    assert "- Counted by week (8 different values): between" in text
    assert "**no clear difference**. **Take care: this does not agree** with series" in text
    agreeing = render([subject(evaluation(guess(1.0), guess(9.0)), changed=NOTHING)])
    assert "This agrees with series (better), which decides." in agreeing


def test_parts_made_worse_are_listed() -> None:
    second = (holdout()["department"] == "B").to_numpy()
    error = np.where(second, 6.5, 1.5)
    units = ACTUAL + error * (np.array(guess(1.0)["units"]) - ACTUAL)
    text = render([subject(evaluation({"units": list(units)}, guess(5.0)), changed=NOTHING)])
    assert "1 of 2 parts are clearly worse." in text
    assert row_of(text, "department = B")[1] == "160"
    assert "None of the 2 parts looked at is clearly worse." in render([subject()])


def test_a_champion_that_could_not_be_compared_is_said() -> None:
    judged = evaluation(champion_version=3, champion_problem="it needs the input price")
    assert "The champion could not be compared: it needs the input price." in render(
        [subject(judged, changed=NOTHING)]
    )


def test_changed_parameters_and_data_are_named() -> None:
    before = Recorded(
        {"train": {"trees": 50, "depth": 4}, "seed": 1},
        {"data/sales/a.csv": "old", "data/sales/b.csv": "same", "data/sales/c.csv": "x"},
    )
    found = changes(before, CANDIDATE)
    assert found.params == {"seed": (1, None), "train.trees": (50, 100)}
    text = render([subject(evaluation(guess(), guess()), changed=found)])
    assert "| train.trees | 50 | 100 |" in text
    assert "| seed | 1 | not set |" in text
    assert "- data/sales/a.csv: other content" in text
    assert "- data/sales/c.csv: no longer read" in text
    assert "b.csv" not in text


def test_waived_rules_are_in_the_verdict_with_their_reason() -> None:
    waiver = {
        "model": "demand",
        "rule": "primary_metric",
        "reason": "A law asks for it.",
        "owner": "procurement",
        "expires": "2026-03-01",
    }
    slack = {"tolerance": 1.0, "minimum_rows": 30, "minimum_units": 5}
    lenient = policy(waivers=[waiver], models={"demand": {"slices": slack}})
    judged = evaluation(guess(6.0), guess(5.0))
    text = render([subject(judged, policy_=lenient, changed=NOTHING)])
    assert "rules were waived: Good enough overall." in text
    assert "Waived by procurement until 2026-03-01: A law asks for it." in text


CHART = re.compile(
    r'%%\{init: \{"xyChart": \{"height": \d+\}, "themeVariables": .*\}\}\}%%\n'
    r"xychart-beta horizontal\n"
    r'    title "[^"]+"\n    x-axis \[("[^"]+")(, "[^"]+")*\]\n'
    r'    y-axis "[^"]+" 0 --> [\d.]+\n    bar \[[\d.]+(, [\d.]+)*\](\n    line \[[\d., ]+\])?\n'
)


def listed(pattern: str, chart: str, between: str) -> list[str]:
    found = re.search(pattern, chart)
    assert found
    return found[1].split(between)


def charts_in(text: str) -> list[str]:
    return re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)


def test_charts_are_valid_and_show_what_the_table_says() -> None:
    judged = evaluation(guess(4.0), guess(5.0))
    charts = charts_in(render([subject(judged, changed=NOTHING)]))
    assert len(charts) == 2
    assert all(CHART.fullmatch(chart) for chart in charts)
    assert 'x-axis ["candidate", "champion v3", "last week", "mean"]' in charts[0]
    bars = [float(each) for each in listed(r"bar \[(.*)\]", charts[0], ", ")]
    rivals = [d.value for d in judged.metrics[0].differences]
    assert bars == pytest.approx([judged.candidate, *rivals], rel=1e-3)
    assert 'x-axis ["A", "B"]' in charts[1]
    assert "line [" in charts[1]


@pytest.mark.parametrize(
    "label", ['say "hi"', "a;b#c", "[x]", "```\n# out", "", "ünïcode", "x" * 500, "<script>"]
)
def test_a_chart_survives_any_label(label: str) -> None:
    block = Chart(label, label, [label, label], [1.0, 1e-9], [2.5, 0.0]).mermaid()
    (chart,) = charts_in(block)
    assert CHART.fullmatch(chart)
    assert len(set(listed(r"x-axis \[(.*)\]", chart, '", "'))) == 2


def test_bias_is_drawn_by_its_size() -> None:
    rules = contract(evaluation={**CONTRACT["evaluation"], "metric": "bias", "also": []})
    judged = evaluation(guess(1.0, shift=-4.0), guess(1.0, shift=5.0), rules=rules)
    assert judged.candidate is not None
    assert judged.candidate < 0
    assert judged.verdict == "better"
    assert all(CHART.fullmatch(c) for c in charts_in(render([subject(judged, rules)])))


HOSTILE = (
    "<img src=x onerror=alert(1)> @everyone [click](http://evil.example) | **bold** `code` #1 "
    "\u202e"
)


def test_analysts_text_is_defused() -> None:
    safe = plain(HOSTILE)
    assert "<img" not in safe
    assert not re.search(r"@\w|#\d|://|\u202e", safe)
    assert not re.search(r"(?<!\\)[|*`\[\]]", safe)
    assert plain("www.evil.example mailto:a@b GH-12") == (
        "www\u200b.evil.example mailto\u200b:a@\u200bb GH\u200b-12"
    )
    assert plain("a\n\n# heading") == "a #\u200b heading"


def test_nothing_hostile_gets_into_the_report() -> None:
    baselines = {"last_week": "baseline_last_week", HOSTILE: "baseline_mean"}
    table = holdout()
    table["department"] = [HOSTILE if row % 2 else "```" for row in range(len(table))]
    rules = contract(
        description=HOSTILE, evaluation={**CONTRACT["evaluation"], "baselines": baselines}
    )
    found = Changes(params={HOSTILE: (HOSTILE, "```")}, data={HOSTILE: (None, "1")})
    judged = evaluation(guess(9.0), guess(5.0), table=table, rules=rules)
    text = render([subject(judged, rules, changed=found), Unjudged("other", HOSTILE)])
    outside = re.sub(r"```mermaid\n.*?```", "", text, flags=re.DOTALL)
    assert "<img" not in text
    assert "http://" not in text
    assert not re.search(r"@\w", text)
    assert "```" not in outside
    assert all(CHART.fullmatch(chart) for chart in charts_in(text))


def renamed(found: Subject, name: str) -> Subject:
    judged = found.judgement
    rules = judged.contract.model_copy(update={"name": name})
    return replace(found, judgement=replace(judged, contract=rules))


@pytest.mark.parametrize("count", [2, 60, 400, 3000])
def test_the_report_is_short_enough_and_keeps_every_verdict(count: int) -> None:
    good, bad = subject(), subject(evaluation(guess(6.0), guess(5.0)), changed=NOTHING)
    models = [renamed(bad if n == count - 1 else good, f"model-{n}") for n in range(count)]
    text = render(models)
    assert len(text) < 60_000
    assert text.startswith(f"# {count:,} models: 1 fail, {count - 1:,} pass")
    assert f"## model-{count - 1}" in text
    assert "The deployment refuses this candidate" in text
    named = set(re.findall(r"model-\d+", text.split("\n## ")[0]))
    assert len(named) == count or f"and {count - len(named):,} more" in text
    assert ("Left out to keep this short" in text) == (count > 2)


def test_many_slices_do_not_fill_the_report() -> None:
    table = holdout()
    table["department"] = [f"department {row // 8} {'x' * 400}" for row in range(len(table))]
    judged = evaluation(guess(9.0), guess(5.0), table=table)
    assert len(judged.slices) == 40
    text = render([subject(judged, changed=NOTHING)])
    assert len(text) < 20_000
    assert "The 12 worst are shown." in text


def test_many_changed_parameters_are_counted() -> None:
    found = Changes(params={f"p{n}": (n, n + 1) for n in range(100)})
    text = render([subject(evaluation(guess(), guess()), changed=found)])
    assert "And 80 more parameters." in text


def test_a_model_that_could_not_be_judged_is_in_the_report() -> None:
    text = render([subject(), Unjudged("other", "other has not been trained.")])
    assert text.startswith("# 2 models: 1 not judged, 1 pass")
    assert "**Not judged.** other has not been trained." in text
