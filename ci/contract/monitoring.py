"""`policies/monitoring.yaml`: how drift is measured, and when it is an alert."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract
from ci.contract.policy import Policy

# Methods whose value lies between 0 (the same) and 1 (nothing in common), so that one least
# change fits them all.
Continuous = Literal["kolmogorov_smirnov", "jensen_shannon", "hellinger"]
Categorical = Literal["jensen_shannon", "l_infinity", "hellinger"]
Count = Annotated[int, Field(ge=1, le=1000)]


class Methods(Contract):
    """NannyML's drift method for each type of column."""

    number: Continuous = "kolmogorov_smirnov"
    """For number columns."""
    integer: Continuous = "kolmogorov_smirnov"
    """For integer columns."""
    string: Categorical = "jensen_shannon"
    """For string columns."""
    boolean: Categorical = "jensen_shannon"
    """For boolean columns."""


class AlertRule(Contract):
    """When a drift check is an alert."""

    chunks: Count = 2
    """A column raises an alert if it is over its threshold in this many chunks (in all of them,
    where the analysis period has fewer)."""
    of: Count = 3
    """… out of this many chunks in a row, so that one noisy chunk wakes nobody."""
    features: Count = 1
    """The check is an alert if at least this many columns raise one."""
    least_change: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """No column counts as over its threshold below this distance of the distributions (0 to 1)."""
    worse_by: Annotated[float, Field(gt=0, le=10)] = 0.25
    """One chunk whose realised metric is over its limit and this much worse is an alert."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.chunks > self.of:
            raise ValueError(f"chunks {self.chunks} is more than of {self.of}: it never happens")
        return self


class MonitoringPolicy(Policy):
    """The whole of `policies/monitoring.yaml`."""

    file: ClassVar[str] = "monitoring.yaml"

    methods: Methods = Methods()
    """NannyML's drift method for each type of column."""
    alert: AlertRule = AlertRule()
    """When a check is an alert."""
