"""The key `tune` of `model.yaml`: what `mlops tune` may try, and on which rows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract, TablePath, Text
from ci.contract.columns import Parameter, Scalar

Number = int | float


class Range(Contract):
    """What a parameter may be; bounds that are absent are those of `parameters`."""

    type: Literal["number", "integer", "boolean", "string"] | None = None
    """What its value is; needed where `parameters` does not declare it."""
    minimum: float | None = None
    """Least value that is tried."""
    maximum: float | None = None
    """Largest value that is tried."""
    choices: Annotated[list[Scalar], Field(min_length=1)] | None = None
    """The only values that are tried, instead of a minimum and a maximum."""
    log: bool = False
    """Whether 1 to 10 is looked through as closely as 10 to 100."""


class Dimension(Contract):
    """A parameter as the search sees it: ``choices``, or numbers from ``low`` to ``high``."""

    key: str
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _searchable(self) -> Self:
        if self.choices is None:
            if self.low > self.high:
                raise ValueError(f"{self.key}: minimum {self.low:g} is above maximum {self.high:g}")
            if self.log and self.low <= 0:
                raise ValueError(f"{self.key}: log needs a minimum above 0 (found {self.low:g})")
        return self


class Tuning(Contract):
    """What `mlops tune` tries, and how it judges what it tried."""

    parameters: dict[Text, Range | None] = {}
    """Key of params.yaml, with dots, to its range; nothing after the colon: the range that
    `parameters` declares. Empty: everything that `parameters` declares."""
    validation: dict[Text, Scalar] | TablePath | None = None
    """Rows that a trial is judged on, so that the holdout stays unseen: a table that the pipeline
    writes, or values of params.yaml with which its holdout lies before the one that the gate
    decides on. Absent: the holdout itself, and the result says how often it was looked at."""
    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Most trials of a search."""
    minutes: Annotated[float, Field(gt=0, le=10_000)] = 60.0
    """No trial begins later than this."""


def dimensions(tuning: Tuning, declared: dict[str, Parameter]) -> list[Dimension]:
    """What is searched, a dimension a parameter.

    Raises:
        ValueError: a range that is not complete, or outside the declared one.
    """
    wanted = tuning.parameters or dict.fromkeys(declared)
    if isinstance(tuning.validation, dict):
        both = sorted(set(wanted) & set(tuning.validation))
        if both:
            raise ValueError(f"{both[0]} is tried and fixed by validation; leave one out")
    return [_dimension(key, rules or Range(), declared.get(key)) for key, rules in wanted.items()]


def _dimension(key: str, rules: Range, declared: Parameter | None) -> Dimension:
    kind = rules.type or (declared.type if declared else None)
    if kind is None:
        raise ValueError(f"{key} is not among parameters, so that its range needs a type")
    if declared and kind != declared.type:
        raise ValueError(f"{key} is declared as {declared.type} under parameters, not {kind}")
    choices = _choices(key, kind, rules, declared)
    if choices is not None:
        return Dimension(key=key, choices=choices)
    low = _bound(rules.minimum, declared.minimum if declared else None)
    high = _bound(rules.maximum, declared.maximum if declared else None)
    if kind not in ("number", "integer") or low is None or high is None:
        needs = "a minimum and a maximum" if kind in ("number", "integer") else "choices"
        raise ValueError(f"{key} needs {needs}")
    found = Dimension(key=key, whole=kind == "integer", low=low, high=high, log=rules.log)
    for value in (low, high):
        _allowed(key, int(value) if found.whole else value, declared)
    return found


def _choices(
    key: str, kind: str, rules: Range, declared: Parameter | None
) -> tuple[Scalar, ...] | None:
    given: list[Scalar] | None = rules.choices
    if given is None and kind == "boolean":
        given = [False, True]
    if given is None and declared and declared.categories:
        given = list(declared.categories)
    for value in given or ():
        _allowed(key, value, declared)
    return tuple(given) if given is not None else None


def _bound(own: float | None, declared: float | None) -> float | None:
    return declared if own is None else own


def _allowed(key: str, value: Scalar, declared: Parameter | None) -> None:
    if declared and (problem := declared.problem_of(value)):
        raise ValueError(f"{key} would try {value!r}, which `parameters` forbids: {problem}")
