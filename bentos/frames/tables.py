"""Frames from and to pandas, and columns from whatever a Python model returns.

In pandas NaN is the missing number, so NaN and missing are one here.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.frames.casts import cast
from bentos.frames.frame import (
    KIND_OF_TYPE,
    LARGEST_EXACT_INTEGER,
    Array,
    Column,
    ContractType,
    Field,
    Frame,
    FrameError,
    Mask,
)
from bentos.frames.rows import column_from_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


def from_pandas(table: pd.DataFrame, fields: Iterable[Field] | None = None) -> Frame:
    """A frame from a table.

    With `fields` (Field or (name, type) pairs): exactly these columns, in their order, safely
    converted; other columns are left out. Without: all columns, each of the kind it has.
    Raises FrameError naming the column that is absent or of another type.
    """
    if fields is None:
        return Frame({str(name): column_from_any(table[name], str(name)) for name in table})
    columns = {}
    for each in fields:
        name, type_, nullable = Field(*each)
        if name not in table.columns:
            raise FrameError(f"column '{name}' is missing")
        columns[name] = _column_of_type(table[name], name, type_, nullable)
    return Frame(columns)


def _column_of_type(series: Any, name: str, type_: ContractType, nullable: bool) -> Column:
    column = column_from_any(series, name)
    values, missing = column.values, column.missing
    if column.kind == "float64" and missing is None and np.isnan(values).any():
        missing = np.isnan(values)
    if missing is not None and missing.all():
        column = column_from_values([None] * len(values), type_, name=name)
    else:
        column = cast(Column(column.kind, values, missing), KIND_OF_TYPE[type_], name)
    if nullable and column.missing is None:
        return Column(column.kind, column.values, np.zeros(len(column), np.bool_))
    return column


def column_from_any(values: Any, name: str = "") -> Column:
    """A column of the kind that a list, an array or a Series already has.

    Whole numbers that do not fit 32 bits become float64 while that is exact. Raises FrameError
    for more than one dimension and for values that are no number, boolean or text.
    """
    missing = _missing_of_extension(values)
    try:
        array = np.asarray(values, dtype=None if missing is None else object)
    except ValueError as error:
        raise FrameError(f"column '{name}' holds values of different lengths") from error
    if array.ndim != 1:
        raise FrameError(f"column '{name}' has {array.ndim} dimensions, it must have one")
    if missing is not None:
        return _from_objects(_with_none(array, missing), name)
    if array.dtype.kind == "f":
        return Column("float64", array.astype(np.float64, copy=False))
    if array.dtype.kind in "iu":
        return _from_integers(array, None, name)
    if array.dtype.kind == "b":
        return Column("bool", array)
    if array.dtype.kind == "U" and not isinstance(values, (list, tuple)):
        return Column("utf8", array.astype(object))
    return _from_objects(np.array(values, dtype=object), name)


def _missing_of_extension(values: Any) -> Mask | None:
    """Where a Series has no value, if its dtype is pandas' own; None for arrays and lists."""
    dtype = getattr(values, "dtype", None)
    if dtype is None or isinstance(dtype, np.dtype):
        return None
    return np.asarray(values.isna(), np.bool_)


def _from_integers(array: Array, missing: Mask | None, name: str) -> Column:
    if not array.size or (array.min() > -(2**31) and array.max() < 2**31):
        return Column("int32", array.astype(np.int32), missing)
    if array.min() < -LARGEST_EXACT_INTEGER or array.max() > LARGEST_EXACT_INTEGER:
        raise FrameError(f"column '{name}' holds whole numbers above 2^53, which are not exact")
    return Column("float64", array.astype(np.float64), missing)


def _from_objects(array: Array, name: str) -> Column:
    values = [_scalar(value) for value in array.tolist()]
    types = {type(value) for value in values if value is not None}
    if types <= {str}:
        return column_from_values(values, "string", name=name)
    if types <= {bool}:
        return column_from_values(values, "boolean", name=name)
    if types <= {int}:
        missing = np.array([value is None for value in values]) if None in values else None
        return _from_integers(np.array([value or 0 for value in values]), missing, name)
    if types <= {int, float}:
        return column_from_values(values, "number", name=name)
    names = ", ".join(sorted(each.__name__ for each in types))
    raise FrameError(f"column '{name}' holds values of type {names}")


def _scalar(value: Any) -> Any:
    """A Python scalar for a NumPy one; None for NaN, since object columns mark missing so."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) is float and math.isnan(value):
        return None
    return None if type(value).__name__ in {"NAType", "NaTType"} else value


def to_pandas(frame: Frame) -> pd.DataFrame:
    """A table with the dtypes that `pandas.read_csv` would give.

    number → float64; integer → int64, or float64 if nullable; boolean → bool, or object if
    nullable; string → pandas' text type. Missing is NaN, or None in object columns.
    """
    import pandas as pd

    columns = frame.columns
    if columns and all(column.kind == "float64" for column in columns.values()):
        # Made of one block: a tenth of the time that pandas takes to join columns.
        block = np.array([_to_series(column) for column in columns.values()])
        return pd.DataFrame(block.T, columns=_index(tuple(columns)), copy=False)
    return pd.DataFrame({name: _to_series(column) for name, column in columns.items()})


@lru_cache(maxsize=64)
def _index(names: tuple[str, ...]) -> Any:
    import pandas as pd

    return pd.Index(names)


def _to_series(column: Column) -> Any:
    missing = column.missing
    values = column.values
    if column.kind == "utf8":
        return _to_texts(values, missing)
    if missing is None:
        return values.astype(np.int64) if column.kind == "int32" else values
    if column.kind == "bool":
        return _with_none(values, missing)
    return np.where(missing, np.nan, values)


def _with_none(values: Array, missing: Mask) -> Array:
    objects = values.astype(object)
    objects[missing] = None
    return objects


def _to_texts(values: Array, missing: Mask | None) -> Any:
    import pandas as pd

    if missing is not None and missing.any():
        values = _with_none(values, missing)
    if len(values) and not (missing is not None and missing.all()):
        return values
    return pd.array(values, dtype="str")
