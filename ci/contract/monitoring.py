"""`policies/monitoring.yaml`: how drift is measured, and when it is an alert."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract
from ci.contract.policy import Policy

Continuous = Literal[
    "kolmogorov_smirnov",
    "jensen_shannon",
    "hellinger",
    "wasserstein",
    "population_stability_index",
]
Categorical = Literal[
    "jensen_shannon", "chi2", "l_infinity", "hellinger", "population_stability_index"
]
Count = Annotated[int, Field(ge=1, le=1000)]
Least = Annotated[float, Field(ge=0, le=10)]


class Methods(Contract):
    """How the distribution of a column is compared, for each type of column: NannyML's methods,
    and the Population Stability Index."""

    number: Continuous = "kolmogorov_smirnov"
    """For number columns."""
    integer: Continuous = "kolmogorov_smirnov"
    """For integer columns."""
    string: Categorical = "jensen_shannon"
    """For string columns."""
    boolean: Categorical = "jensen_shannon"
    """For boolean columns."""


class LeastChange(Contract):
    """Changes up to these never count, however many rows prove them."""

    distance: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Of the methods from 0 (the same) to 1 (nothing in common): Kolmogorov-Smirnov,
    Jensen-Shannon, Hellinger, L-infinity."""
    wasserstein: Least = 0.2
    """In standard deviations of the reference."""
    chi2: Least = 0.2
    """Cohen's w: the root of the statistic divided by the chunk's rows."""
    population_stability_index: Least = 0.1
    """The index itself; business readers call 0.1 a small and 0.25 a large change."""
    reconstruction_error: Least = 0.1
    """All columns together: share of the error in the reference."""
    share: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Of missing, unseen and forbidden values, and of a segment: share of rows."""
    stability: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of those who stay in their segment, from one time to the next: share of them."""


class AlertRule(Contract):
    """When a drift check is an alert."""

    chunks: Count = 2
    """A column raises an alert if it is over its threshold in this many chunks (in all of them,
    where the analysis period has fewer)."""
    of: Count = 3
    """… out of this many chunks in a row, so that one noisy chunk wakes nobody."""
    features: Count = 1
    """The check is an alert if at least this many columns raise one."""
    chance: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    """Thresholds are set so that at most this share of checks is an alert by chance alone."""
    least_change: LeastChange = LeastChange()
    """Changes up to these never count."""
    worse_by: Annotated[float, Field(gt=0, le=10)] = 0.25
    """One chunk whose realised metric is over its limit and this much worse is an alert."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.chunks > self.of:
            raise ValueError(f"chunks {self.chunks} is more than of {self.of}: it never happens")
        return self


class Watch(Contract):
    """`mlops drift --watch`: a host looks at the calls of its own service."""

    every_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How often it looks."""
    rows: Annotated[int, Field(ge=50, le=100_000)] = 200
    """How many logged rows are a chunk; as many chunks as `alert.of` are looked at, the newest."""
    cooldown_hours: Annotated[float, Field(gt=0, le=720)] = 24
    """The same columns raise no second alert so soon."""


class MonitoringPolicy(Policy):
    """The whole of `policies/monitoring.yaml`."""

    file: ClassVar[str] = "monitoring.yaml"

    methods: Methods = Methods()
    """How distributions are compared, for each type of column."""
    alert: AlertRule = AlertRule()
    """When a check is an alert."""
    watch: Watch = Watch()
    """How a host watches its own service."""
