"""Conversions between kinds that lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bentos.frames.frame import Column, FrameError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS: Mapping[Kind, str] = {
    "float64": "numbers",
    "int32": "whole numbers",
    "bool": "booleans",
    "utf8": "texts",
}


def cast(column: Column, kind: Kind, name: str) -> Column:
    """The column as `kind`: whole numbers widen to float64, and whole float64 narrow to int32.

    Raises FrameError for anything else, naming what was found and what was wanted.
    """
    if column.kind == kind:
        return column
    if column.kind == "int32" and kind == "float64":
        return Column(kind, column.values.astype(np.float64), column.missing)
    if column.kind == "float64" and kind == "int32":
        return _narrow(column, name)
    raise FrameError(f"column '{name}' holds {WORDS[column.kind]}, it must hold {WORDS[kind]}")


def _narrow(column: Column, name: str) -> Column:
    values = column.values
    if column.missing is not None:
        values = np.where(column.missing, 0.0, values)
    fits = (np.abs(values) < 2**31) & (values == np.floor(values))
    if not fits.all():
        wrong = int(np.argmin(fits))
        raise FrameError(
            f"column '{name}', row {wrong}: {values[wrong]!r} is not a whole number of 32 bits"
        )
    return Column("int32", values.astype(np.int32), column.missing)
