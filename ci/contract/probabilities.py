"""Output columns with the probability of each class, beside the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.contract.base import misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.contract.columns import Column

KEY = "probability_of"


def probabilities_of(output: Mapping[str, Column]) -> dict[str, str]:
    """Each class, as text, and the column with its probability."""
    return {
        str(rules.probability_of): name
        for name, rules in output.items()
        if rules.probability_of is not None
    }


def require_probabilities(
    task: str, inputs: Mapping[str, Column], output: Mapping[str, Column]
) -> None:
    """Refuse probabilities where there are no classes, or not one for each class.

    Raises:
        ValueError: with the key that is wrong.
    """
    for part, columns in (("input", inputs), ("output", output)):
        for name, column in columns.items():
            if column.probability_of is not None:
                _require_probability(task, part, name, column)
    _require_each_class(output)


def _require_probability(task: str, part: str, name: str, column: Column) -> None:
    if part == "input" or task != "multiclass_classification":
        text = "only an output of a multiclass_classification is a class's probability"
        raise misfit(text, part, name, KEY)
    if (column.type, column.minimum, column.maximum) != ("number", 0, 1):
        raise misfit("a probability has type: number, minimum: 0 and maximum: 1", part, name)


def _require_each_class(output: Mapping[str, Column]) -> None:
    answer, named = next(iter(output)), probabilities_of(output)
    if output[answer].probability_of is not None:
        text = "the answer comes first; move it above the probabilities of its classes"
        raise misfit(text, "output", answer, KEY)
    classes = output[answer].categories or list(named)
    for name, column in output.items():
        if column.probability_of is None:
            continue
        own = str(column.probability_of)
        if own not in classes:
            raise misfit(f"{own} is no category of {answer}", "output", name, KEY)
        if named[own] != name:
            text = f"{named[own]} is the probability of {own} too; name each class once"
            raise misfit(text, "output", name, KEY)
    absent = [each for each in classes if named and each not in named]
    if absent or len(named) == 1:
        one = absent[0] if absent else "a second class"
        raise misfit(f"no column is the {KEY} {one}; give that of each class, or none", "output")
