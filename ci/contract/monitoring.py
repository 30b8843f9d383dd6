"""`policies/monitoring.yaml`: how drift is measured, and when it is an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract
from ci.yaml_file import parse, read_yaml

if TYPE_CHECKING:
    from ci.repository import Repository

Continuous = Literal["kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger"]
Categorical = Literal["chi2", "jensen_shannon", "l_infinity", "hellinger"]
Count = Annotated[int, Field(ge=1, le=1000)]


class Methods(Contract):
    """NannyML's drift method for each type of column."""

    number: Continuous = "kolmogorov_smirnov"
    integer: Continuous = "kolmogorov_smirnov"
    string: Categorical = "jensen_shannon"
    boolean: Categorical = "jensen_shannon"


class AlertRule(Contract):
    """An alert: ``features`` features, each over its threshold in ``chunks`` of ``of`` in a row."""

    chunks: Count = 2
    of: Count = 3
    features: Count = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.chunks > self.of:
            raise ValueError(f"chunks {self.chunks} is more than of {self.of}: it never happens")
        return self


class MonitoringPolicy(Contract):
    """The whole of `policies/monitoring.yaml`."""

    methods: Methods = Methods()
    alert: AlertRule = AlertRule()


def load_monitoring_policy(repository: Repository) -> MonitoringPolicy:
    """The monitoring policy of ``repository``.

    Raises:
        ProblemsError: ``bad_policy``, with file, line and key.
    """
    path = repository.policies_dir / "monitoring.yaml"
    return parse(read_yaml(path, "policies/monitoring.yaml"), MonitoringPolicy, "bad_policy")
