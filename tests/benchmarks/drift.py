"""How much longer a drift check of a million rows takes than NannyML's own calculators alone."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ci.console import say
from ci.contract.model import ModelContract
from ci.contract.monitoring import MonitoringPolicy
from tests.benchmarks.results import Result
from tests.support.repositories import contract

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ci.monitor.periods import Periods

ROWS, WEEKS = 1_000_000, 10
NUMBERS, TEXTS = 8, 2
LIMIT = 1.2
REPEATS = 3
FEATURES: dict[str, dict[str, Any]] = {
    **{f"number_{at}": {"type": "number", "nullable": True} for at in range(NUMBERS)},
    **{f"text_{at}": {"type": "string"} for at in range(TEXTS)},
}


def run() -> list[Result]:
    """Seconds of both for the same two periods, half of the rows each; imports aside."""
    from ci.monitor.periods import Periods
    from ci.monitor.quirks import quiet_nannyml

    say(f"drift: {ROWS:,} rows, {len(FEATURES)} features")
    with quiet_nannyml():
        periods = Periods(_period("2026-01-05", 1), _period("2026-04-06", 2))
        _ours(_few(periods))  # what is imported on first use
        _nannyml(_few(periods))
        pairs = [(_seconds(_ours, periods), _seconds(_nannyml, periods)) for _ in range(REPEATS)]
    ours, theirs = (median(times) for times in zip(*pairs, strict=True))
    return [Result("drift", "a check against NannyML alone", ours, theirs, "s", limit=LIMIT)]


def _seconds(check: Callable[[Periods], None], periods: Periods) -> float:
    began = time.perf_counter()
    check(periods)
    return time.perf_counter() - began


def _few(periods: Periods) -> Periods:
    from ci.monitor.periods import Periods

    return Periods(periods.reference.iloc[::200], periods.analysis.iloc[::200])


def _period(start: str, seed: int) -> pd.DataFrame:
    import pandas as pd

    from ci.monitor.chunks import TIME

    draw, rows = np.random.default_rng(seed), ROWS // 2
    table = pd.DataFrame({f"number_{at}": draw.normal(at, 1, rows) for at in range(NUMBERS)})
    table["number_0"] = table["number_0"].where(draw.random(rows) > 0.05)
    for at in range(TEXTS):
        table[f"text_{at}"] = draw.choice(["low", "middle", "top", "floor"], rows)
    table = table.astype({f"text_{at}": object for at in range(TEXTS)})
    table[TIME] = np.sort(draw.choice(pd.date_range(start, periods=WEEKS * 7), rows))
    table["y"] = table["number_1"] * 2
    return table


def _contract() -> ModelContract:
    paths = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}
    rules = {"timestamp": "day", "chunk": "week", **paths}
    return ModelContract.model_validate(contract("million", input=FEATURES, monitoring=rules))


def _ours(periods: Periods) -> None:
    from ci.monitor.drift import measure

    watched = _contract()
    assert watched.monitoring
    measure(watched, watched.monitoring, MonitoringPolicy(), periods)


def _nannyml(periods: Periods) -> None:
    """The calculators that the check uses, and NannyML's own for missing and unseen values."""
    import nannyml

    from ci.monitor.chunks import TIME

    names, texts = list(FEATURES), [f"text_{at}" for at in range(TEXTS)]
    common = {"timestamp_column_name": TIME, "chunk_period": "W"}
    univariate = nannyml.UnivariateDriftCalculator(
        column_names=[*names, "y"],
        treat_as_categorical=texts,
        continuous_methods=["kolmogorov_smirnov"],
        categorical_methods=["jensen_shannon"],
        **common,
    )
    calculators = [
        univariate,
        nannyml.DataReconstructionDriftCalculator(column_names=names, **common),
        nannyml.MissingValuesCalculator(column_names=names, **common),
        nannyml.UnseenValuesCalculator(column_names=texts, **common),
    ]
    for calculator in calculators:
        calculator.fit(periods.reference)
        calculator.calculate(periods.analysis).to_df()
