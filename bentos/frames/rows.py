"""Frames from Python scalars, such as the rows of a JSON request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.frames.frame import (
    DTYPES,
    FILLERS,
    KIND_OF_TYPE,
    LOWEST_INT32,
    Array,
    Column,
    ContractType,
    Field,
    Frame,
    FrameError,
    Kind,
    Mask,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PYTHON_TYPES: Mapping[Kind, frozenset[type]] = {
    "float64": frozenset({float, int}),
    "int32": frozenset({int}),
    "bool": frozenset({bool}),
    "utf8": frozenset({str}),
}


def column_from_values(
    values: Sequence[Any], type_: ContractType, *, nullable: bool = False, name: str = ""
) -> Column:
    """A column of the contract type from Python scalars, None where missing.

    Raises FrameError naming the column and the first row whose value has another type.
    """
    kind = KIND_OF_TYPE[type_]
    missing: Mask | None = None
    seen = set(map(type, values))
    if nullable or type(None) in seen:
        missing = np.fromiter((value is None for value in values), np.bool_, len(values))
        filler = FILLERS[kind]
        values = [filler if value is None else value for value in values]
        seen.discard(type(None))
    if not seen <= PYTHON_TYPES[kind]:
        index = next(i for i, v in enumerate(values) if type(v) not in PYTHON_TYPES[kind])
        raise FrameError(
            f"column '{name}', row {index}: {values[index]!r:.80} is not of type {type_}"
        )
    return Column(kind, _array(values, kind, name), missing)


def _array(values: Sequence[Any], kind: Kind, name: str) -> Array:
    try:
        array = np.array(values, dtype=DTYPES[kind])
    except OverflowError as error:
        raise FrameError(f"column '{name}' holds a number too large for {kind}") from error
    if kind == "int32" and (array == LOWEST_INT32).any():
        raise FrameError(f"column '{name}' holds {LOWEST_INT32}, which R cannot represent")
    return array


def from_rows(rows: Sequence[Mapping[str, Any]], fields: Iterable[Field]) -> Frame:
    """A frame from rows of Python scalars; None or an absent key is missing.

    `fields` are Field or (name, type) pairs and give the columns and their order. Keys that are
    no field are ignored: refusing them is the caller's part.
    """
    columns = {}
    for each in fields:
        name, type_, nullable = Field(*each)
        values = [row.get(name) for row in rows]
        columns[name] = column_from_values(values, type_, nullable=nullable, name=name)
    return Frame(columns)
