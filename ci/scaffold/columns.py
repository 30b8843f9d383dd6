"""What a new model does with each column of a dataset: target, unit, time, input, or left out."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from ci.contract.dataset import DatasetColumn, Table
    from ci.scaffold.look import Look

INTEGER_LIMIT = 2**31 - 1
MOST_CATEGORIES = 50
LEAST_UNITS = 50
LEAST_TIMES = 5
MOST_DISTINCT_SHARE = 0.9
ROW_ID = "row_id"
YES_WORDS = ("yes", "y", "true", "t", "1", "ja", "j")
_IDENTIFIER = re.compile(
    r"(^|[ _.-])(?i:id|uuid|guid|key|nr\.?|nummer)$|[a-z0-9](Id|ID|Nr|nummer)$"
)


@dataclass(frozen=True)
class Input:
    """An input column: ``header`` is its name in the table, ``rules`` its rules there."""

    name: str
    header: str
    kind: str
    rules: DatasetColumn


@dataclass(frozen=True)
class Plan:
    """What the model's columns are.

    ``unit`` and ``time`` are headers of the table; a unit of None is one row each. ``yes`` is the
    target's value that counts as 1, in lower case, and None for a regression. ``left_out`` maps
    the other headers to the reason.
    """

    target: str
    yes: str | None
    unit: str | None
    time: str | None
    inputs: list[Input]
    left_out: dict[str, str]


def choose(table: Table, target: str | None, look: Look, dataset: str) -> Plan:
    """Decide on every column of ``table``.

    Raises:
        MlopsError: ``no_target``, ``unknown_target``, ``unsupported_target`` or ``no_inputs``.
    """
    headers = table.columns
    wanted = _target(table, target, dataset)
    yes = positive(wanted, headers[wanted])
    time = _time(table, look)
    unit = _unit(table, wanted, look)
    taken = {wanted, time, unit}
    left_out: dict[str, str] = {}
    inputs: list[Input] = []
    names = {ROW_ID, clean(wanted, set()), f"actual_{clean(wanted, set())}"}
    for header, rules in headers.items():
        if header in taken:
            continue
        reason = _unusable(table, header, rules)
        if reason:
            left_out[header] = reason
            continue
        name = clean(header, names)
        names.add(name)
        inputs.append(Input(name, header, _kind(rules), rules))
    if not inputs:
        why = "; ".join(f"{header} is {reason}" for header, reason in left_out.items())
        raise MlopsError(
            "no_inputs",
            f"data/{dataset} has no column that a model could predict {wanted} from"
            f"{f' ({why})' if why else ''}; correct data/{dataset}/dataset.yaml or bring in a "
            "table with more columns.",
        )
    return Plan(wanted, yes, unit, time, inputs, left_out)


def _target(table: Table, target: str | None, dataset: str) -> str:
    possible = [header for header, rules in table.columns.items() if _can_be_target(rules)]
    said = ", ".join(possible) or "none"
    if target is None:
        raise MlopsError(
            "no_target",
            f"Say which column of data/{dataset} is to be predicted, with --target COLUMN; it can "
            f"be: {said}.",
        )
    if target not in table.columns:
        raise MlopsError(
            "unknown_target",
            f"data/{dataset} has no column {target!r}; --target can be: {said}.",
        )
    if target not in possible:
        raise MlopsError(
            "unsupported_target",
            f"{target} is no number, no yes or no, and has not exactly two categories, so a new "
            f"model can't predict it; --target can be: {said}.",
        )
    return target


def _can_be_target(rules: DatasetColumn) -> bool:
    two = rules.categories is not None and len(rules.categories) == 2
    return rules.type in ("number", "integer", "boolean") or two


def positive(header: str, rules: DatasetColumn) -> str | None:
    """The value of a two-valued column that counts as 1, in lower case; None for numbers."""
    if rules.type == "boolean":
        return "true"
    if rules.type == "integer" and (rules.minimum, rules.maximum) == (0, 1):
        return "1"
    if rules.type == "string" and rules.categories:
        lower = [category.lower() for category in rules.categories]
        named = [word for word in lower if word in (*YES_WORDS, header.lower())]
        return named[0] if named else lower[-1]
    return None


def _time(table: Table, look: Look) -> str | None:
    """The date to split by: no date of a person's life, and not the same few for all rows."""
    found = [
        header
        for header, rules in table.columns.items()
        if rules.type == "timestamp"
        and not rules.pii
        and look.distinct.get(header, LEAST_TIMES) >= LEAST_TIMES
    ]
    return found[0] if found else None


def _unit(table: Table, target: str, look: Look) -> str | None:
    """The identifier whose rows belong together: the coarsest with enough values to resample."""
    found = [
        header
        for header, rules in table.columns.items()
        if header != target
        and not rules.unique
        and is_identifier(table, header)
        and (not look.rows or _repeats(look.distinct.get(header, 0), look.rows))
    ]
    return min(found, key=lambda header: look.distinct.get(header, 0), default=None)


def _repeats(distinct: int, rows: int) -> bool:
    return LEAST_UNITS <= distinct < MOST_DISTINCT_SHARE * rows


def is_identifier(table: Table, header: str) -> bool:
    """Whether a column names things rather than measuring them."""
    rules = table.columns[header]
    named = header in table.key or rules.unique or _IDENTIFIER.search(header)
    return rules.type in ("integer", "string") and not rules.categories and bool(named)


def _unusable(table: Table, header: str, rules: DatasetColumn) -> str | None:
    if rules.type == "timestamp":
        return "a date"
    if is_identifier(table, header):
        return "an identifier"
    if rules.missing >= 1:
        return "always missing"
    if rules.type == "string" and not rules.categories and rules.pii:
        return "text on persons (pii in the dataset's contract), whose values are not listed"
    if rules.type == "string" and not rules.categories:
        return "free text, or has too many values"
    if len(rules.categories or []) > MOST_CATEGORIES:
        return f"text with more than {MOST_CATEGORIES} categories"
    return None


def _kind(rules: DatasetColumn) -> str:
    ends = (rules.minimum, rules.maximum)
    if rules.type == "integer" and any(e is None or abs(e) > INTEGER_LIMIT for e in ends):
        return "number"
    return rules.type


def clean(header: str, taken: set[str]) -> str:
    """``header`` as a column name of a contract, different from those in ``taken``."""
    letters = unicodedata.normalize("NFKD", header.replace("ß", "ss"))
    letters = "".join(each for each in letters if not unicodedata.combining(each))
    name = re.sub(r"[^A-Za-z0-9]+", "_", letters).strip("_")
    if not name or not re.match("[A-Za-z]", name):
        name = f"column_{name}".rstrip("_")
    base, number = name, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name
