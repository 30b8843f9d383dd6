"""Whether what a model returned is what its contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.frames import Column, Field, Frame, FrameError
from bentos.frames.casts import cast
from bentos.frames.frame import KIND_OF_TYPE
from bentos.frames.rows import column_from_values
from bentos.runners.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence


def empty_result(outputs: Sequence[Field]) -> Frame:
    """The answer to a request of no rows."""
    return Frame({each.name: column_from_values([], each.type) for each in outputs})


def validated_result(result: Frame, outputs: Sequence[Field], rows: int, function: str) -> Frame:
    """The outputs in the contract's order and kinds, without a missing or non-finite value.

    An unnamed column is the only output. Raises ModelError naming the output and the first row.
    """
    columns = _named(result, outputs, function)
    if result.rows != rows:
        raise ModelError(f"{function} returned {result.rows} values for {rows} rows.")
    return Frame({each.name: _valid(columns[each.name], each, function) for each in outputs})


def _named(result: Frame, outputs: Sequence[Field], function: str) -> dict[str, Column]:
    columns = dict(result.columns)
    wanted = [each.name for each in outputs]
    if list(columns) == [""] and len(wanted) == 1:
        return {wanted[0]: columns[""]}
    if set(columns) != set(wanted):
        found = ", ".join(map(repr, columns)) if list(columns) != [""] else "one unnamed column"
        raise ModelError(
            f"{function} returned {found or 'no columns'}; the contract's outputs are "
            f"{', '.join(map(repr, wanted))}."
        )
    return columns


def _valid(column: Column, output: Field, function: str) -> Column:
    if column.missing is not None and column.missing.any():
        raise _bad_value(column.missing, output, function, "a missing value")
    try:
        column = cast(column, KIND_OF_TYPE[output.type], output.name)
    except FrameError as error:
        raise ModelError(f"{function} returned a wrong type: {error}.") from error
    if column.kind == "float64" and not np.isfinite(column.values).all():
        raise _bad_value(~np.isfinite(column.values), output, function, "NaN or an infinite number")
    return Column(column.kind, column.values)


def _bad_value(where: Any, output: Field, function: str, what: str) -> ModelError:
    row = int(np.argmax(where))
    return ModelError(f"{function} returned {what} in output '{output.name}' for row {row}.")
