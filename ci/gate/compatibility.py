"""Changes of a contract that would break those who call the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.contract.columns import Column
    from ci.contract.model import ModelContract


def breaking_changes(old: ModelContract, new: ModelContract) -> list[str]:
    """What a caller of ``old`` could no longer do or rely on with ``new``, a clause each."""
    gone_outputs = [name for name in old.output if name not in new.output]
    gone_inputs = [name for name in old.input if name not in new.input]
    found = [f"the output {name} is gone" for name in gone_outputs]
    if len(old.output) == 1 < len(new.output):
        found.append(f"a prediction is an object with {', '.join(new.output)} instead of a value")
    elif len(old.output) > 1 == len(new.output):
        found.append(f"a prediction is a value instead of an object with {', '.join(old.output)}")
    found += [f"the input {name} is no longer accepted" for name in gone_inputs]
    for name, column in new.input.items():
        if name in old.input:
            found += [f"the input {name} {change}" for change in _narrowed(old.input[name], column)]
        elif not column.nullable:
            found.append(f"the new input {name} is required")
    for name, column in new.output.items():
        changes = _loosened(old.output[name], column) if name in old.output else []
        found += [f"the output {name} {change}" for change in changes]
    return found


def _narrowed(old: Column, new: Column) -> list[str]:
    """Values that the input took and no longer takes, or reads otherwise."""
    found = []
    if new.type != old.type and (old.type, new.type) != ("integer", "number"):
        found.append(f"is {new.type} instead of {old.type}")
    if old.unit is not None and new.unit != old.unit:
        found.append(f"is in {new.unit or 'no unit'} instead of {old.unit}")
    if old.nullable and not new.nullable:
        found.append("may no longer be missing")
    if new.minimum is not None and (old.minimum is None or new.minimum > old.minimum):
        found.append(f"must now be at least {new.minimum:.15g}")
    if new.maximum is not None and (old.maximum is None or new.maximum < old.maximum):
        found.append(f"must now be at most {new.maximum:.15g}")
    return found + _narrowed_categories(old, new)


def _narrowed_categories(old: Column, new: Column) -> list[str]:
    if new.categories is None:
        return []
    if old.categories is None:
        return ["now takes a fixed list of values only"]
    gone = [category for category in old.categories if category not in new.categories]
    return [f"no longer takes {', '.join(gone[:3])}"] if gone else []


def _loosened(old: Column, new: Column) -> list[str]:
    """What the answer no longer promises."""
    found = []
    if new.type != old.type and (old.type, new.type) != ("number", "integer"):
        found.append(f"is {new.type} instead of {old.type}")
    if old.unit is not None and new.unit != old.unit:
        found.append(f"is in {new.unit or 'no unit'} instead of {old.unit}")
    if old.probability_of is not None and new.probability_of != old.probability_of:
        found.append(f"is no longer the probability of {old.probability_of}")
    if new.nullable and not old.nullable:
        found.append("may now be missing")
    if old.minimum is not None and (new.minimum is None or new.minimum < old.minimum):
        found.append(f"may now be below {old.minimum:.15g}")
    if old.maximum is not None and (new.maximum is None or new.maximum > old.maximum):
        found.append(f"may now be above {old.maximum:.15g}")
    if old.categories is not None:
        more = [each for each in new.categories or ["anything"] if each not in old.categories]
        found += [f"may now be {', '.join(more[:3])}"] if more else []
    return found
