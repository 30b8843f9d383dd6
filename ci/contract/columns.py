"""Columns of a model's input and output, and its business parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bentos import rows
from ci.contract.base import Contract, Name, Text, check_bounds

ColumnType = Literal["number", "integer", "boolean", "string"]
Scalar = bool | int | float | str


def _column_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value):
        raise ValueError(
            "a column name is letters, digits and underscores, and begins with a letter"
        )
    return value


ColumnName = Annotated[str, AfterValidator(_column_name)]


class Column(Contract):
    """An input or output column."""

    type: ColumnType
    """What its values are; a number is a float64, an integer an int32."""
    description: Text | None = None
    """What it means, for callers and reviewers."""
    unit: Text | None = None
    """What it is counted in, such as units, USD or days."""
    minimum: float | None = None
    """Least allowed value, inclusive; numbers and integers only."""
    maximum: float | None = None
    """Largest allowed value, inclusive; numbers and integers only."""
    categories: Annotated[list[str], Field(min_length=1)] | None = None
    """The only values allowed; strings only."""
    nullable: bool = False
    """Whether it may be null or left out of a row."""
    pii: bool = False
    """Whether it is personal data."""
    probability_of: Text | int | None = None
    """Outputs of a multiclass_classification only: the class whose probability this number is."""
    example: Scalar | None = None
    """A value for the example request; derived from the rules where it is absent."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_bounds(self.type, self.minimum, self.maximum)
        if self.categories is not None and self.type != "string":
            raise ValueError(f"categories do not apply to a {self.type} column")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError("a category is written twice")
        if self.example is not None and (problem := self.problem_of(self.example)):
            raise ValueError(
                f"the example {self.example!r} breaks the column's own rules: {problem}"
            )
        return self

    def problem_of(self, value: Any) -> str | None:
        """Why ``value`` is not allowed in this column, or None where it is."""
        return rows.problem_of(vars(self), value)

    def sample(self) -> Scalar | None:
        """A value that this column allows: the example, or one derived from the rules."""
        return rows.sample(vars(self))


class Parameter(Contract):
    """A business parameter: its allowed range and who may change it."""

    type: ColumnType
    """What its value is."""
    owner: Name
    """The team that may change it."""
    description: Text
    """What changing it does."""
    minimum: float | None = None
    """Least allowed value, inclusive."""
    maximum: float | None = None
    """Largest allowed value, inclusive."""
    categories: list[str] | None = None
    """The only values allowed."""

    def problem_of(self, value: Any) -> str | None:
        """Why ``value`` is not allowed, or None where it is."""
        rules = self.model_dump(exclude={"owner"})
        return Column(**rules).problem_of(value)
