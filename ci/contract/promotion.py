"""`policies/promotion.yaml`: what a candidate must show before it may replace what is live."""

from __future__ import annotations

import difflib
from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ci.contract.base import Contract, Name, Text
from ci.contract.policy import Policy
from ci.files import read_yaml_quickly

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.yaml_file import Key

# A verdict on missing or undefined numbers would mean nothing, so those two can't be waived.
WaivableRule = Literal[
    "enough_rows",
    "enough_units",
    "primary_metric",
    "slices",
    "floors",
    "holdout_kept",
    "parameters_in_range",
    "contract_compatible",
]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Enough(Contract):
    """The least number of rows or of bootstrap units in the holdout."""

    minimum: Count
    """The least number that is enough."""


class PrimaryMetric(Contract):
    """How the primary metric decides.

    A first version must beat every baseline: by the lower end of the 95 % ``interval`` of the
    difference, or by the ``difference`` alone. A later version passes while the lower end of its
    difference to the champion is at least minus ``tolerance`` times the champion's value.
    """

    first_version: Literal["interval", "difference"]
    """What must be better than every baseline: the whole interval, or the difference alone."""
    tolerance: Share
    """By what share of the champion's value the lower end may be worse."""


class Slices(Contract):
    """A slice fails the candidate if it is clearly worse by more than ``tolerance``."""

    tolerance: Share
    """By what share of the rival's value a slice may be clearly worse."""
    minimum_rows: Count
    """Slices with fewer rows are shown and decide nothing."""
    minimum_units: Count
    """Slices with fewer bootstrap units are shown and decide nothing."""


class Limits(Contract):
    """The settings of the rules that have any."""

    enough_rows: Enough
    """Rows of the holdout."""
    enough_units: Enough
    """Independent units of the holdout."""
    primary_metric: PrimaryMetric
    """How the primary metric decides."""
    slices: Slices
    """How much worse a part may become."""


class Overrides(Contract):
    """Rules of one model whose settings replace the defaults, each rule as a whole."""

    enough_rows: Enough | None = None
    """Rows of the holdout."""
    enough_units: Enough | None = None
    """Independent units of the holdout."""
    primary_metric: PrimaryMetric | None = None
    """How the primary metric decides."""
    slices: Slices | None = None
    """How much worse a part may become."""


class Waiver(Contract):
    """One rule that one model may break, until the end of the day ``expires``."""

    model: Name
    """The model that may break the rule."""
    rule: WaivableRule
    """The rule that it may break."""
    reason: Text
    """Why; every report shows it."""
    owner: Name
    """The team that answers for it."""
    expires: date
    """The last day on which it holds."""


class Approvals(Contract):
    """Who must have approved a change of a model before it is released.

    Reviews of the pull request's author, of those who wrote a part of it, and of people who may
    not write to the repository never count. A request for changes by somebody who may write blocks.
    Where nobody else may write to the repository, nobody is asked.
    """

    required: Annotated[int, Field(ge=0, le=6)] = 1
    """How many people must have approved; fewer where fewer others may write."""
    team: Name | None = None
    """A team of policies/access.yaml; only its members' approvals count. null: anybody's."""
    dismiss_stale: bool = True
    """Whether an approval ends with the next push to the pull request."""


class PromotionPolicy(Policy):
    """The whole of `policies/promotion.yaml`."""

    file: ClassVar[str] = "promotion.yaml"

    defaults: Limits
    """The settings that hold for every model."""
    models: dict[Name, Overrides] = {}
    """Model name to the rules whose settings differ, each rule as a whole."""
    waivers: list[Waiver] = []
    """Rules that a model may break for a while."""
    approvals: Approvals = Approvals()
    """Who must have approved a change before it is released."""

    def limits(self, model: str) -> Limits:
        """The settings that hold for ``model``."""
        own = self.models.get(model, Overrides())
        replaced = {key: value for key, value in own if value is not None}
        return self.defaults.model_copy(update=replaced)

    def waiver(self, model: str, rule: str, today: date) -> Waiver | None:
        """The waiver of ``rule`` for ``model`` that holds ``today``, or None."""
        for waiver in self.waivers:
            if (waiver.model, waiver.rule) == (model, rule) and today <= waiver.expires:
                return waiver
        return None

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Models that it names and the repository does not have."""
        names = repository.model_names()
        places: list[tuple[Key, str]] = [(("models", name), name) for name in self.models]
        places += [(("waivers", i, "model"), w.model) for i, w in enumerate(self.waivers)]
        found = [(key, _unknown_model(name, names)) for key, name in places if name not in names]
        return [*found, *self._unknown_team(repository)]

    def _unknown_team(self, repository: Repository) -> list[tuple[Key, str]]:
        if self.approvals.team is None:
            return []
        access = read_yaml_quickly(repository.policies_dir / "access.yaml")
        if self.approvals.team in (access.get("teams") or {}):
            return []
        text = f"there is no team {self.approvals.team!r} in policies/access.yaml"
        return [(("approvals", "team"), text)]


def _unknown_model(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}."
    return f"there is no model {name!r} in models/; {hint}"
