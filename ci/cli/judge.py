"""`mlops evaluate`, `mlops gate` and `mlops report`: is the candidate good enough, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ci.cli.options import Json, Model
from ci.cli.output import emit, table
from ci.console import put

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.evaluate.outcome import Evaluation
    from ci.gate import Verdict

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]...", help="Models to report on; all with a candidate if none."),
]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    app.command()(evaluate)
    app.command()(gate)
    app.command()(report)


def evaluate(model: Model, json: Json = False) -> None:
    """Compare a model's candidate with the champion, or the baselines, on the same rows."""
    from ci.contract.model import load_model_contract
    from ci.evaluate.candidate import evaluate_model
    from ci.repository import Repository

    repository = Repository.find()
    found = evaluate_model(repository, model)
    text = _evaluation_text(load_model_contract(repository, model), found)
    emit(found.model_dump(mode="json"), text, json)


def gate(model: Model, json: Json = False) -> None:
    """Apply policies/promotion.yaml to a model's candidate; exit 1 if it fails."""
    from ci.gate import judge
    from ci.repository import Repository

    verdict = judge(Repository.find(), model)
    emit(verdict.model_dump(mode="json"), _verdict_text(verdict), json)
    if verdict.verdict == "fail":
        raise typer.Exit(1)


def report(models: Models = None) -> None:
    """Print the report for reviewers, in Markdown."""
    from ci.report.report import report_on
    from ci.repository import Repository

    put(report_on(Repository.find(), models or []), sys.stdout)


def _evaluation_text(contract: ModelContract, found: Evaluation) -> str:
    from ci.evaluate.words import amount, gain, span

    rows = [
        {
            "metric": result.metric,
            "candidate": amount(contract, result.metric, result.candidate),
            "against": difference.against,
            "value": amount(contract, result.metric, difference.value),
            "difference": gain(contract, result.metric, difference.difference),
            "95 % interval": span(contract, result.metric, difference.interval)
            if difference.interval
            else difference.note,
        }
        for result in found.metrics
        for difference in result.differences
    ]
    head = f"{found.model}: {found.rows:,} rows, {found.units:,} different values of {found.unit}"
    return f"{head}\n{table(rows, list(rows[0]))}"


def _verdict_text(verdict: Verdict) -> str:
    rows = [{"rule": r.rule, "result": r.result, "detail": r.detail} for r in verdict.rules]
    return f"{verdict.model}: {verdict.verdict}\n{table(rows, ['rule', 'result', 'detail'])}"
