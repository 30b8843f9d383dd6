"""References drawn again: nothing has changed in them, so that an alert is a false one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ci.contract.model import ModelContract
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.evaluate.candidate import Servable
from ci.monitor.alerts import causes, is_alert, signals, worse_chunks
from ci.monitor.chunks import TIME, chunk_of
from ci.monitor.drift import measure
from ci.monitor.periods import Periods, read_reference
from ci.repository import Repository
from tests.support.repositories import SOURCE


def reference_of(servable: Servable, folder: Path, log: Path) -> pd.DataFrame:
    """The reference of the model in ``folder`` with its predictions."""
    assert servable.contract.monitoring
    return read_reference(servable, servable.contract.monitoring, folder, log)[0]


def by_rows(contract: ModelContract, reference: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows of any week, at the times that there were."""
    rows = reference.sample(len(reference), replace=True, random_state=seed)
    return rows.reset_index(drop=True).assign(**{TIME: reference[TIME].to_numpy()})


def within_chunks(contract: ModelContract, reference: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows at their own times."""
    picked = np.random.default_rng(seed).integers(0, len(reference), len(reference))
    return reference.iloc[np.sort(picked)].reset_index(drop=True)


def by_chunks(contract: ModelContract, reference: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Whole weeks, in any order, some of them several times."""
    assert contract.monitoring
    names = chunk_of(contract.monitoring, reference).astype(str)
    begins = reference[TIME].groupby(names).min().sort_values()
    picked = np.random.default_rng(seed).choice(begins.index, len(begins))
    parts = [
        reference[names == name].assign(
            **{TIME: reference[TIME][names == name] - begins[name] + begin}
        )
        for name, begin in zip(picked, begins, strict=True)
    ]
    drawn: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return drawn


WAYS: dict[str, Callable[[ModelContract, pd.DataFrame, int], pd.DataFrame]] = {
    "by rows": by_rows,
    "within chunks": within_chunks,
    "by chunks": by_chunks,
}


def false_alarms(
    contract: ModelContract, reference: pd.DataFrame, way: str, seeds: range
) -> dict[int, Any]:
    """By seed what the shipped policy calls an alert."""
    policy = load_policy(Repository(SOURCE), MonitoringPolicy)
    found = {}
    for seed in seeds:
        assert contract.monitoring
        drawn = WAYS[way](contract, reference, seed)
        measured = measure(contract, contract.monitoring, policy, Periods(reference, drawn))
        each = signals(measured.measures, policy.alert)
        worse = worse_chunks(measured.performance["realised"], policy.alert)
        if is_alert(each, worse, policy.alert):
            found[seed] = causes(each, worse)
    return found
