"""`mlops drift`: one check of the analysis period against the reference period."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ci.console import step
from ci.contract.model import ARTIFACT, load_model_contract
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.monitor.alerts import Signal, headline, is_alert, signals, worse_chunks

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract, Monitoring
    from ci.evaluate.candidate import Servable
    from ci.monitor.measures import Measure, Unmeasured
    from ci.monitor.periods import Periods
    from ci.repository import Repository


@dataclass(frozen=True)
class Checked:
    """What a check found; ``report`` (HTML) and ``plot`` (PNG) exist.

    ``worse`` are the chunks whose realised metric is an alert.
    """

    model: str
    version: int | None
    alert: bool
    headline: str
    features: list[Signal]
    unmeasured: list[Unmeasured]
    performance: dict[str, list[Measure]]
    worse: list[Measure]
    performance_note: str | None
    report: Path
    plot: Path


@dataclass(frozen=True)
class Found:
    """What NannyML measured, what it could not, and how good the predictions are."""

    measures: list[Measure]
    unmeasured: list[Unmeasured]
    performance: dict[str, list[Measure]]
    performance_note: str | None


def check_drift(repository: Repository, name: str) -> Checked:
    """Check the model in production (or the candidate, where nothing is in production).

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``not_monitored``, ``bad_period`` or
            ``drift_failed``.
    """
    contract = load_model_contract(repository, name)
    policy = load_policy(repository, MonitoringPolicy)
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
        found = _measure(servable.contract, rules, policy, periods)
    return _conclude(repository, servable, policy, found)


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
) -> Found:
    from ci.monitor.measures import quality, univariate, unmeasured
    from ci.monitor.performance import note, performance
    from ci.monitor.quirks import quiet_nannyml

    with quiet_nannyml():
        from nannyml.exceptions import NannyMLException

        try:
            found = univariate(contract, rules, policy, periods)
            left_out = unmeasured(contract, periods, found)
            found = [measure for measure in found if measure.value is not None]
            found += quality(contract, rules, periods)
            known = performance(contract, rules, periods)
            return Found(found, left_out, known, note(contract, rules))
        except NannyMLException as error:
            raise MlopsError(
                "drift_failed",
                f"NannyML could not compare the periods of {contract.name} "
                f"({' '.join(str(error).split())}); check that each chunk has enough rows.",
            ) from None


def _conclude(
    repository: Repository, servable: Servable, policy: MonitoringPolicy, found: Found
) -> Checked:
    from ci.files import write_json
    from ci.monitor.report import write_report

    name = servable.contract.name
    features = signals(found.measures, policy.alert)
    worse = worse_chunks(found.performance["realised"], policy.alert)
    folder = repository.state_dir / "reports" / name
    checked = Checked(
        model=name,
        version=servable.version,
        alert=is_alert(features, worse, policy.alert),
        headline=headline(
            name, features, worse, policy.alert, [c for u in found.unmeasured for c in u.columns]
        ),
        features=features,
        unmeasured=found.unmeasured,
        performance=found.performance,
        worse=worse,
        performance_note=found.performance_note,
        report=folder / "drift.html",
        plot=folder / "drift.png",
    )
    with step(f"{name}: drawing"):
        write_report(checked, found.measures, servable.contract)
    write_json(folder / "drift.json", as_dict(checked))
    return checked


def as_dict(checked: Checked) -> dict[str, Any]:
    """``checked`` as plain data for JSON."""
    return {**asdict(checked), "report": str(checked.report), "plot": str(checked.plot)}
