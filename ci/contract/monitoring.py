"""`policies/monitoring.yaml`: how drift is measured, and when it is an alert."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract, Name
from ci.contract.columns import ColumnName
from ci.contract.policy import Policy
from ci.files import read_yaml_quickly

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.yaml_file import Key

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
    stability: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Of those who stay in their segment, from one time to the next: share of them."""


class AlertRule(Contract):
    """When a drift check is an alert."""

    chunks: Count = 2
    """A column raises an alert if it is over its threshold in this many chunks (in all of them,
    where the analysis period has fewer)."""
    of: Count = 3
    """… of the last so many, so that one noisy chunk wakes nobody, and what is over is over."""
    features: Count = 1
    """The check is an alert if at least this many columns raise one."""
    chance: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    """Thresholds are set so that at most this share of checks is an alert by chance alone."""
    least_change: LeastChange = LeastChange()
    """Changes up to these never count."""
    worse_by: Annotated[float, Field(gt=0, le=10)] = 0.25
    """One chunk whose realised metric is over its limit and this much worse is an alert."""
    cooldown_hours: Annotated[float, Field(ge=0, le=8784)] = 24
    """The same columns raise no second alert so soon."""

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


class MonitoringPolicy(Policy):
    """The whole of `policies/monitoring.yaml`."""

    file: ClassVar[str] = "monitoring.yaml"

    methods: Methods = Methods()
    """How distributions are compared, for each type of column."""
    important: dict[Name, Annotated[list[ColumnName], Field(min_length=1)]] = {}
    """Model to the columns whose drift is an alert; the others are measured and shown. Of a model
    that is not named all columns matter, and all columns together."""
    alert: AlertRule = AlertRule()
    """When a check is an alert."""
    watch: Watch = Watch()
    """How a host watches its own service."""

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Models and columns that it names and the repository does not have."""
        names = repository.model_names()
        found: list[tuple[Key, str]] = []
        for model, columns in self.important.items():
            if model not in names:
                found.append((("important", model), f"there is no model {model!r} in models/"))
                continue
            contract = read_yaml_quickly(repository.model_dir(model) / "model.yaml")
            known = [*(contract.get("input") or {}), *(contract.get("output") or {})]
            found += [
                (
                    ("important", model, at),
                    f"{model} has no column {column!r}{_near(column, known)}",
                )
                for at, column in enumerate(columns)
                if column not in known
            ]
        return found


def _near(column: str, known: list[str]) -> str:
    near = difflib.get_close_matches(column, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
