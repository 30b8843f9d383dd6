"""`mlops demo`: data, training, judgement, release, a prediction, a batch, a drift check."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.keys import own_key
from ci.targets.http import post

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.release.deploy import Deployed
    from ci.repository import Repository


@dataclass(frozen=True)
class Shown:
    """What the demo made of one model; paths are relative to the repository."""

    model: str
    language: str
    verdict: str
    version: int
    url: str
    scored: str
    drift: str
    plot: str


def demo(repository: Repository) -> tuple[list[Shown], Path]:
    """Take every model the whole way; returns a row a model, and the report's path.

    Raises:
        MlopsError: what the step that failed says; later steps are not tried.
    """
    begin = time.monotonic()
    contracts = [load_model_contract(repository, name) for name in repository.model_names()]
    if not contracts:
        raise MlopsError("no_models", "There is no model in models/; type: mlops new --help")
    _heading(1, "Train: data is ingested and validated first, then each model in its language")
    for contract in contracts:
        _train(repository, contract)
    _heading(2, "Judge: candidate against champion or baselines, on rows that it has not seen")
    verdicts = {contract.name: _judge(repository, contract.name) for contract in contracts}
    report = _report(repository, [contract.name for contract in contracts])
    _heading(3, "Release: package as a Bento, register in MLflow, serve on this machine")
    deployed = {contract.name: _deploy(repository, contract.name) for contract in contracts}
    _heading(4, "Ask: one real HTTP request to each API")
    for contract in contracts:
        _ask(repository, contract, deployed[contract.name])
    _heading(5, "Score a batch, and look for drift in the weeks after the holdout")
    rows = [
        Shown(
            model=contract.name,
            language=contract.language,
            verdict=verdicts[contract.name],
            version=deployed[contract.name].version,
            url=deployed[contract.name].url,
            scored=_score(repository, contract),
            **_drift(repository, contract),
        )
        for contract in contracts
    ]
    say(f"\nAll of it took {time.monotonic() - begin:.0f} s.")
    return rows, report


def _heading(number: int, text: str) -> None:
    say(f"\n{number}. {text}")


def _train(repository: Repository, contract: ModelContract) -> None:
    from ci.pipeline import train

    candidate = train(repository, contract.name)
    say(f"{contract.name}: run {candidate.run_id} in MLflow, {candidate.seconds:g} s")


def _judge(repository: Repository, name: str) -> str:
    from ci.gate import judge

    verdict = judge(repository, name)
    say(f"{name}: {verdict.verdict}")
    for rule in verdict.rules:
        say(f"  {rule.result:6} {rule.rule}: {rule.detail}")
    return verdict.verdict


def _report(repository: Repository, names: list[str]) -> Path:
    from ci.files import write_whole
    from ci.report.report import report_on

    path = repository.state_dir / "reports" / "report.md"
    write_whole(path, report_on(repository, names))
    say(f"The report that reviewers read: {repository.relative(path)}")
    return path


def _deploy(repository: Repository, name: str) -> Deployed:
    from ci.release.deploy import deploy

    deployed = deploy(repository, name)
    say(f"{name}: version {deployed.version} is live at {deployed.url}")
    return deployed


def _ask(repository: Repository, contract: ModelContract, deployed: Deployed) -> None:
    row = contract.example_row()
    with own_key(repository, contract.name) as key:
        status, answer = post(deployed.url, {"rows": [row]}, key=key)
    if status != 200:
        raise MlopsError("probe_failed", f"{contract.name} answered {status}: {answer}")
    say(f"\nPOST {deployed.url}/predict")
    say(f"  asked:    {json.dumps(row, ensure_ascii=False)}")
    say(f"  answered: {json.dumps(answer, ensure_ascii=False)}")
    say(f"  meaning:  {_meaning(contract, answer['predictions'][0])}")


def _meaning(contract: ModelContract, prediction: Any) -> str:
    """The prediction in the contract's words."""
    values = prediction if isinstance(prediction, dict) else {contract.answer: prediction}
    first = contract.output[contract.answer]
    shown = ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values.values())
    unit = f" {first.unit}" if first.unit else ""
    what = first.description or contract.description
    return f"{shown}{unit}. {what}"


def _score(repository: Repository, contract: ModelContract) -> str:
    from ci.score import score

    if contract.batch is None or contract.batch.input.file is None:
        return "-"
    source = repository.model_dir(contract.name) / contract.batch.input.file
    target = repository.state_dir / "batch" / f"{contract.name}.csv"
    scored = score(repository, contract.name, source, target)
    path = repository.relative(target)
    say(f"{contract.name}: {scored.rows:,} rows scored in {scored.seconds:.1f} s, see {path}")
    return path


def _drift(repository: Repository, contract: ModelContract) -> dict[str, str]:
    from ci.monitor.drift import check_drift

    if contract.monitoring is None:
        return {"drift": "-", "plot": "-"}
    found = check_drift(repository, contract.name)
    say(f"{contract.name}: {found.headline}")
    return {"drift": "alert" if found.alert else "quiet", "plot": repository.relative(found.plot)}
