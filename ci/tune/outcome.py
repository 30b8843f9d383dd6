"""What a search found, as `mlops tune --json` and the workflow hand it on."""

from __future__ import annotations

from typing import Literal

from ci.contract.base import Contract
from ci.contract.columns import Scalar  # noqa: TC001 (pydantic reads it)
from ci.evaluate.outcome import Finding  # noqa: TC001 (pydantic reads it)

JUDGED_ON = Literal["validation", "holdout"]


class Trial(Contract):
    """A trial; number 0 has the parameters of today. ``value`` is null where it failed."""

    number: int
    parameters: dict[str, Scalar]
    value: float | None
    seconds: float
    problem: str | None
    run_id: str


class Search(Contract):
    """A finished search; ``best`` is null where nothing was better than the parameters of today.

    ``difference`` is how much better the best trial is, signed so that positive is better, with
    its 95 % ``interval`` over the contract's unit.
    """

    model: str
    metric: str
    judged_on: JUDGED_ON
    rows: int
    trials: list[Trial]
    best: int | None
    difference: float | None
    interval: tuple[float, float] | None
    finding: Finding | None
    seconds: float
    search: str
    note: str

    @property
    def as_is(self) -> Trial:
        """The parameters of today."""
        return self.trials[0]

    @property
    def proposed(self) -> Trial | None:
        """The best trial, where it is better."""
        return None if self.best is None else self.trials[self.best]

    def changes(self) -> dict[str, tuple[Scalar, Scalar]]:
        """Key → its value of today and the proposed one, for those that change."""
        if self.proposed is None:
            return {}
        today, new = self.as_is.parameters, self.proposed.parameters
        return {key: (today[key], new[key]) for key in new if new[key] != today[key]}
