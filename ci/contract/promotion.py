"""`policies/promotion.yaml`: what a candidate must show before it may replace what is live."""

from __future__ import annotations

import difflib
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ci.contract.base import Contract
from ci.contract.model import Name, Text
from ci.yaml_file import Problem, ProblemsError, YamlFile, parse, read_yaml

if TYPE_CHECKING:
    from ci.repository import Repository

# A verdict on missing or undefined numbers would mean nothing, so those two can't be waived.
WaivableRule = Literal[
    "enough_rows",
    "enough_units",
    "primary_metric",
    "slices",
    "floors",
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


class PromotionPolicy(Contract):
    """The whole of `policies/promotion.yaml`."""

    defaults: Limits
    """The settings that hold for every model."""
    models: dict[Name, Overrides] = {}
    """Model name to the rules whose settings differ, each rule as a whole."""
    waivers: list[Waiver] = []
    """Rules that a model may break for a while."""

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


def load_promotion_policy(repository: Repository) -> PromotionPolicy:
    """The promotion policy of ``repository``.

    Raises:
        ProblemsError: ``bad_policy`` or ``bad_yaml``, with file, line and key.
    """
    path = repository.policies_dir / "promotion.yaml"
    file = read_yaml(path, "policies/promotion.yaml")
    policy = parse(file, PromotionPolicy, "bad_policy")
    problems = _unknown_models(policy, file, repository.model_names())
    if problems:
        raise ProblemsError("bad_policy", problems)
    return policy


def _unknown_models(policy: PromotionPolicy, file: YamlFile, names: list[str]) -> list[Problem]:
    places: list[tuple[tuple[str | int, ...], str]] = [(("models", n), n) for n in policy.models]
    places += [(("waivers", i, "model"), w.model) for i, w in enumerate(policy.waivers)]
    problems = []
    for key, name in places:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}."
            text = f"there is no model {name!r} in models/; {hint}"
            problems.append(Problem(file.name, ".".join(map(str, key)), text, file.line(key)))
    return problems
