"""The frame itself: an ordered mapping of column name to column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal["float64", "int32", "bool", "utf8"]
ContractType = Literal["number", "integer", "boolean", "string"]
Array = NDArray[Any]
Mask = NDArray[np.bool_]

LOWEST_INT32 = -(2**31)
LARGEST_EXACT_INTEGER = 2**53

KIND_OF_TYPE: Mapping[str, Kind] = {
    "number": "float64",
    "integer": "int32",
    "boolean": "bool",
    "string": "utf8",
}
DTYPES: Mapping[Kind, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "int32": np.dtype("<i4"),
    "bool": np.dtype("?"),
    "utf8": np.dtype(object),
}
FILLERS: Mapping[Kind, Any] = {"float64": 0.0, "int32": 0, "bool": False, "utf8": ""}


class FrameError(ValueError):
    """A value that does not fit a frame, or bytes that are not a frame."""


class Field(NamedTuple):
    """A column that a contract promises; a nullable one always carries a mask."""

    name: str
    type: ContractType
    nullable: bool = False


# Not frozen: a request makes dozens, and a frozen one takes three times as long to make.
@dataclass(eq=False, slots=True)
class Column:
    """Values of one kind, shape (rows,); utf8 is an object array of str. Never changed.

    `missing` is None, or a boolean array of shape (rows,) that is true where there is no value;
    what `values` holds there has no meaning.
    """

    kind: Kind
    values: Array
    missing: Mask | None = None

    def __len__(self) -> int:
        return len(self.values)

    def every(self, step: int) -> list[Any]:
        """The first value and each ``step``-th after it, as `to_list` gives them."""
        missing = None if self.missing is None else self.missing[::step]
        return Column(self.kind, self.values[::step], missing).to_list()

    def to_list(self) -> list[Any]:
        """The values as float, int, bool or str, with None where missing."""
        values: list[Any] = self.values.tolist()
        if self.missing is None or not self.missing.any():
            return values
        return [
            None if gone else value
            for value, gone in zip(values, self.missing.tolist(), strict=True)
        ]


@dataclass(eq=False, slots=True)
class Frame:
    """Columns by name, in order, all of the same length. Never changed."""

    columns: Mapping[str, Column] = field(default_factory=dict)
    rows: int = field(init=False, default=0)
    """The length of the columns; 0 if there are none."""

    def __post_init__(self) -> None:
        lengths = {len(column.values) for column in self.columns.values()}
        if len(lengths) > 1:
            raise FrameError(f"the columns of a frame differ in length: {sorted(lengths)}")
        if lengths:
            self.rows = lengths.pop()

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.columns)

    def to_lists(self) -> dict[str, list[Any]]:
        """Each column as a list of Python scalars."""
        return {name: column.to_list() for name, column in self.columns.items()}

    def slice(self, start: int, stop: int) -> Frame:
        """The rows from `start` up to `stop`, sharing memory with this frame."""
        return Frame(
            {
                name: Column(
                    column.kind,
                    column.values[start:stop],
                    None if column.missing is None else column.missing[start:stop],
                )
                for name, column in self.columns.items()
            }
        )


def concatenate(frames: Sequence[Frame]) -> Frame:
    """The rows of all `frames`, which have the same columns, one after the other."""
    if len(frames) == 1:
        return frames[0]
    return Frame(
        {name: _joined([each.columns[name] for each in frames]) for name in frames[0].names}
    )


def _joined(columns: Sequence[Column]) -> Column:
    missing = None
    if any(column.missing is not None for column in columns):
        missing = np.concatenate([_mask(column) for column in columns])
    return Column(columns[0].kind, np.concatenate([each.values for each in columns]), missing)


def _mask(column: Column) -> Mask:
    return np.zeros(len(column), np.bool_) if column.missing is None else column.missing
