"""`mlops drift`: one check of the analysis period against the reference period."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.console import step
from ci.contract.model import ARTIFACT, load_model_contract
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.monitor.conclude import Checked, Found, Period, conclude
from ci.monitor.measures import MOST_CATEGORIES
from ci.monitor.weekdays import NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ci.contract.model import ModelContract, Monitoring
    from ci.contract.monitoring import Watch
    from ci.evaluate.candidate import Servable
    from ci.monitor.periods import Periods
    from ci.monitor.runs import Kind
    from ci.repository import Repository


def check_drift(
    repository: Repository,
    name: str,
    *,
    live: bool = False,
    scored: Path | None = None,
    watch: Watch | None = None,
    now: datetime | None = None,
) -> Checked:
    """Check the model in production (or the candidate, where nothing is in production).

    ``live`` checks what its service here was asked instead of the contract's analysis period,
    ``scored`` a table of predictions that batch scoring wrote; ``watch`` only the newest calls.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``not_monitored``, ``bad_period``,
            ``not_deployed``, ``too_few_logged``, ``drift_failed`` or ``storage_failed``.
    """
    with _storage_of(name):
        return _checked(repository, name, live, scored, watch, now or datetime.now(UTC))


@contextmanager
def _storage_of(name: str) -> Iterator[None]:
    """A file that can't be read or written is no defect, and no finding."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MlopsError(
            "storage_failed",
            f"The check of {name} was cut off ({error.filename or 'storage'}: {error.strerror}), "
            f"so that it says nothing; once the storage is back, type: mlops drift {name}",
        ) from None


def _checked(
    repository: Repository,
    name: str,
    live: bool,
    scored: Path | None,
    watch: Watch | None,
    now: datetime,
) -> Checked:
    contract = load_model_contract(repository, name)
    policy = load_policy(repository, MonitoringPolicy)
    if contract.monitoring is None:
        raise MlopsError(
            "not_monitored",
            f"models/{name}/model.yaml has no key monitoring; add one to check {name} for drift.",
        )
    servable = _servable(repository, contract)
    rules = servable.contract.monitoring or contract.monitoring
    newest = None
    if watch is not None:
        rules = rules.model_copy(update={"chunk": watch.rows})
        newest = watch.rows * policy.alert.of
    if live and servable.version is None:
        from ci.release.operate import not_deployed

        raise not_deployed(name)
    with step(
        f"{name}: predicting the reference and {'reading the log' if live else 'the period'}"
    ):
        periods, said, notes = (
            _live(repository, servable, rules, newest)
            if live
            else _periods(repository, servable, rules, scored)
        )
    with step(f"{name}: measuring drift with NannyML"):
        found = measure(servable.contract, rules, policy, periods)
        found = replace(found, notes=[*_other_rules(contract, servable), *notes, *found.notes])
    kind: Kind = "drift-scored" if scored else "drift-live" if live else "drift"
    period = Period("drift-watch" if watch else kind, said, now)
    return conclude(repository, servable, policy, found, period)


def _other_rules(contract: ModelContract, servable: Servable) -> list[str]:
    """That a version is checked as it was released, where model.yaml says otherwise meanwhile."""
    if servable.version is None or servable.contract.monitoring in (None, contract.monitoring):
        return []
    return [
        f"Version {servable.version} is checked by its own `monitoring`, which is not that of "
        f"models/{contract.name}/model.yaml: a change counts once it is released."
    ]


def _servable(repository: Repository, contract: ModelContract) -> Servable:
    from ci.evaluate.candidate import Servable
    from ci.pipeline.candidate import current_candidate
    from ci.registry.champion import champion

    live = champion(repository, contract.name)
    if live is not None:
        return live
    # What is checked may be newer than the run that made the candidate.
    newer = [contract.monitoring.analysis] if contract.monitoring else []
    candidate = current_candidate(repository, contract, but=newer)
    folder = repository.model_dir(contract.name)
    predict_file, artifact = folder / contract.predict_file, folder / ARTIFACT
    return Servable(predict_file, artifact, contract, None, candidate.fingerprint)


def _periods(
    repository: Repository, servable: Servable, rules: Monitoring, scored: Path | None
) -> tuple[Periods, str, list[str]]:
    """The contract's two periods, which rows the second has, and what to know of the first."""
    from ci.monitor.periods import Periods, read_analysis, read_reference

    name = servable.contract.name
    folder, log = repository.model_dir(name), _log(repository, name)
    reference, notes = read_reference(servable, rules, folder, log)
    analysis = read_analysis(servable, rules, folder, log, scored)
    return Periods(reference, analysis.table, analysis.forbidden), analysis.said, notes


def _live(
    repository: Repository, servable: Servable, rules: Monitoring, newest: int | None
) -> tuple[Periods, str, list[str]]:
    """As `_periods`, with what callers asked since."""
    from ci.monitor.logged import read_logged, with_outcomes
    from ci.monitor.periods import Periods, read_reference
    from ci.targets.launch import records_dir
    from ci.targets.target import bring_records

    name = servable.contract.name
    bring_records(repository, name)
    folder, log = repository.model_dir(name), _log(repository, name)
    reference, notes = read_reference(servable, rules, folder, log)
    logged = read_logged(servable, rules, reference, records_dir(repository, name), newest)
    logged = with_outcomes(servable, rules, logged, folder)
    return Periods(reference, logged.table), logged.said, notes


def _log(repository: Repository, name: str) -> Path:
    return repository.state_dir / "logs" / f"drift-{name}.log"


def measure(
    contract: ModelContract, rules: Monitoring, policy: MonitoringPolicy, periods: Periods
) -> Found:
    """What NannyML says of the two periods.

    Raises:
        MlopsError: ``bad_period`` or ``drift_failed``.
    """
    from ci.monitor.quirks import quiet_nannyml

    with quiet_nannyml():
        from nannyml.exceptions import NannyMLException

        try:
            return _measured(contract, rules, policy, periods)
        except NannyMLException as error:
            raise MlopsError(
                "drift_failed",
                f"NannyML could not compare the periods of {contract.name} "
                f"({' '.join(str(error).split())}); check that each chunk has enough rows.",
            ) from None


def _measured(
    contract: ModelContract, rules: Monitoring, policy: MonitoringPolicy, periods: Periods
) -> Found:
    from ci.monitor.chance import risk_of_chunk
    from ci.monitor.chunks import Layout
    from ci.monitor.distances import (
        grouped,
        multivariate,
        too_wide,
        univariate,
        why_not_together,
    )
    from ci.monitor.estimate import note
    from ci.monitor.measures import TOGETHER, Unmeasured, measurable, unmeasured
    from ci.monitor.performance import performance
    from ci.monitor.quality import measured, shares
    from ci.monitor.segments import segment_shares
    from ci.monitor.weekdays import alike, in_order

    layout = Layout(rules, periods)
    wanted = [*shares(contract, layout, periods), *segment_shares(contract, periods)]
    chunks = len(layout.rows)
    signals = len(wanted) + len(measurable(contract, periods)) + 1
    risk = risk_of_chunk(policy.alert, signals, chunks)
    few, rare = grouped(contract, periods)
    parts = alike(layout, few)
    found = [each for part in parts for each in univariate(contract, policy, *part, risk)]
    left_out = unmeasured(contract, periods, found)
    found = [measure for measure in found if measure.value is not None]
    together = [(layout, few)] if any(too_wide(contract, part) for _, part in parts) else parts
    rebuilt = [each for part in together for each in multivariate(contract, policy, *part, risk)]
    if reason := why_not_together(contract, few, rebuilt):
        left_out.append(Unmeasured(TOGETHER, reason))
    found += rebuilt
    for share in wanted:
        for days, part in parts:
            found += measured(share.within(part), days, policy.alert.least_change, risk)
    known = performance(contract, rules, periods, policy.alert.chance / (signals * chunks))
    return Found(in_order(found), left_out, known, note(contract, rules), _notes(rare, parts))


def _notes(rare: list[str], parts: Sequence[object]) -> list[str]:
    """What a reader has to know of how it was measured."""
    notes = [NOTE] if len(parts) > 1 else []
    if not rare:
        return notes
    return [
        *notes,
        f"{', '.join(rare)}: the {MOST_CATEGORIES - 1} commonest values are compared, and all "
        "rarer ones as one.",
    ]
