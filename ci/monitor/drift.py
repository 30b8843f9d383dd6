"""`mlops drift`: one check of the analysis period against the reference period."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ci.console import step
from ci.contract.model import ARTIFACT, load_model_contract
from ci.contract.monitoring import load_monitoring_policy
from ci.errors import MlopsError
from ci.monitor.alerts import Signal, headline, is_alert, signals
from ci.telemetry import OFF

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract, Monitoring
    from ci.contract.monitoring import MonitoringPolicy
    from ci.evaluate.candidate import Servable
    from ci.monitor.measures import Measure
    from ci.monitor.periods import Periods
    from ci.repository import Repository


@dataclass(frozen=True)
class Checked:
    """What a check found; ``report`` (HTML) and ``plot`` (PNG) exist."""

    model: str
    version: int | None
    alert: bool
    headline: str
    features: list[Signal]
    performance: dict[str, list[Measure]]
    report: Path
    plot: Path


def check_drift(repository: Repository, name: str) -> Checked:
    """Check the model in production (or the candidate, where nothing is in production).

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``not_monitored``, ``bad_period`` or
            ``drift_failed``.
    """
    contract = load_model_contract(repository, name)
    policy = load_monitoring_policy(repository)
    if contract.monitoring is None:
        raise MlopsError(
            "not_monitored",
            f"models/{name}/model.yaml has no key monitoring; add one to check {name} for drift.",
        )
    servable = _servable(repository, contract)
    rules = servable.contract.monitoring or contract.monitoring
    with step(f"{name}: predicting the reference and the analysis period"):
        periods = _periods(repository, servable, rules)
    with step(f"{name}: measuring drift with NannyML"):
        measures, performance = _measure(contract, rules, policy, periods)
    return _conclude(repository, servable, policy, measures, performance)


def _servable(repository: Repository, contract: ModelContract) -> Servable:
    from ci.evaluate.candidate import Servable
    from ci.pipeline.candidate import current_candidate
    from ci.registry.champion import champion

    live = champion(repository, contract.name)
    if live is not None:
        return live
    candidate = current_candidate(repository, contract)
    folder = repository.model_dir(contract.name)
    predict_file, artifact = folder / contract.predict_file, folder / ARTIFACT
    return Servable(predict_file, artifact, contract, None, candidate.fingerprint)


def _periods(repository: Repository, servable: Servable, rules: Monitoring) -> Periods:
    from ci.monitor.periods import read_periods

    name = servable.contract.name
    log = repository.state_dir / "logs" / f"drift-{name}.log"
    return read_periods(servable, rules, repository.model_dir(name), log)


def _measure(
    contract: ModelContract, rules: Monitoring, policy: MonitoringPolicy, periods: Periods
) -> tuple[list[Measure], dict[str, list[Measure]]]:
    _quiet()
    import pandas as pd
    from nannyml.exceptions import NannyMLException

    from ci.monitor.measures import performance, quality, univariate

    try:
        # NannyML's estimators fail on the Arrow strings that pandas 3 makes of text.
        with pd.option_context("future.infer_string", False):
            found = univariate(contract, rules, policy.methods, periods)
            found += quality(contract, rules, periods)
            return found, performance(contract, rules, periods)
    except NannyMLException as error:
        raise MlopsError(
            "drift_failed",
            f"NannyML could not compare the periods of {contract.name} "
            f"({' '.join(str(error).split())}); check that both have enough rows in each chunk.",
        ) from None


def _quiet() -> None:
    os.environ.update(OFF)
    warnings.filterwarnings("ignore")
    logging.getLogger("nannyml").setLevel(logging.ERROR)


def _conclude(
    repository: Repository,
    servable: Servable,
    policy: MonitoringPolicy,
    measures: list[Measure],
    performance: dict[str, list[Measure]],
) -> Checked:
    from ci.files import write_json
    from ci.monitor.report import write_report

    name = servable.contract.name
    found = signals(measures, policy.alert)
    folder = repository.state_dir / "reports" / name
    checked = Checked(
        model=name,
        version=servable.version,
        alert=is_alert(found, policy.alert),
        headline=headline(name, found, policy.alert),
        features=found,
        performance=performance,
        report=folder / "drift.html",
        plot=folder / "drift.png",
    )
    with step(f"{name}: drawing"):
        write_report(checked, measures, servable.contract)
    write_json(folder / "drift.json", as_dict(checked))
    return checked


def as_dict(checked: Checked) -> dict[str, Any]:
    """``checked`` as plain data for JSON."""
    return {**asdict(checked), "report": str(checked.report), "plot": str(checked.plot)}
