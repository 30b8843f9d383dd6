"""A piece of a file as the frame that a model takes, held against the contract on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentos.frames import Column as FrameColumn
from bentos.frames import Frame
from bentos.rows import INTEGER_LIMIT
from ci.dataset.values import native, typed
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from ci.contract.columns import Column

KINDS = {"number": "float64", "integer": "int32", "boolean": "bool", "string": "utf8"}
SHOWN_ROWS = 3
SHOWN_CATEGORIES = 8


@dataclass(frozen=True)
class Piece:
    """Rows ``first`` (counted from 1 below the header) and on of a file, read and checked."""

    first: int
    table: pa.Table
    frame: Frame


def read_piece(columns: Mapping[str, Column], table: pa.Table, first: int, shown: str) -> Piece:
    """``table`` with its contract columns typed, and as a frame.

    Raises:
        MlopsError: ``bad_rows`` naming file, column, rule and rows.
    """
    frame: dict[str, FrameColumn] = {}
    for name, column in columns.items():
        values = _typed(column, table.column(name).combine_chunks(), name, first, shown)
        table = table.set_column(table.column_names.index(name), name, values)
        frame[name] = _frame_column(column, values)
    return Piece(first, table, Frame(frame))


def _typed(column: Column, raw: Any, name: str, first: int, shown: str) -> Any:
    import pyarrow as pa

    array = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    is_text = pa.types.is_string(array.type)
    whole = column.type == "integer" and pa.types.is_floating(array.type)
    read = typed if is_text else native
    values, bad = read(array, "number" if whole else column.type)
    if bad is not None:
        article = "an" if column.type == "integer" else "a"
        raise _refuse(shown, name, f"must be {article} {column.type}", bad, array, first)
    for problem, broken in _broken_rules(column, values, whole):
        raise _refuse(shown, name, problem, broken, array, first)
    return values.cast(pa.int64()) if whole else values


def _broken_rules(column: Column, values: Any, whole: bool) -> list[tuple[str, Any]]:
    """Each rule that some value breaks: the rule in words, and a mask of the rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    masks: list[tuple[str, Any]] = []
    if not column.nullable:
        masks.append(("must not be missing", pc.is_null(values)))
    if whole:
        masks.append(("must be an integer", pc.not_equal(values, pc.floor(values))))
    if column.type == "integer":
        limit = f"must be within ±{INTEGER_LIMIT}"
        masks.append((limit, pc.greater(pc.abs(values), INTEGER_LIMIT)))
    if column.minimum is not None:
        masks.append((f"must be at least {column.minimum:.15g}", pc.less(values, column.minimum)))
    if column.maximum is not None:
        masks.append((f"must be at most {column.maximum:.15g}", pc.greater(values, column.maximum)))
    if column.categories is not None:
        names = ", ".join(column.categories[:SHOWN_CATEGORIES])
        known = pc.is_in(values, pa.array(column.categories))
        masks.append((f"must be one of {names}", pc.and_(pc.is_valid(values), pc.invert(known))))
    return [(rule, mask) for rule, mask in masks if pc.any(mask).as_py()]


def _refuse(shown: str, name: str, rule: str, bad: Any, found: Any, first: int) -> MlopsError:
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.fill_null(bad, False)).to_pylist()
    examples = [f"row {first + row} has {found[row].as_py()!r}" for row in rows[:SHOWN_ROWS]]
    count = "1 row does" if len(rows) == 1 else f"{len(rows)} rows do"
    return MlopsError(
        "bad_rows",
        f"{shown}: the column {name} {rule}, which {count} not ({'; '.join(examples)}); "
        "correct the file and try again; nothing was written.",
    )


def _frame_column(column: Column, values: Any) -> FrameColumn:
    import numpy as np
    import pyarrow.compute as pc

    missing = np.asarray(pc.is_null(values)) if column.nullable else None
    fill = {"number": 0.0, "integer": 0, "boolean": False, "string": ""}[column.type]
    filled = pc.fill_null(values, fill) if values.null_count else values
    kind: Any = KINDS[column.type]
    types = {"float64": np.float64, "int32": np.int32, "bool": np.bool_, "utf8": object}
    return FrameColumn(kind, np.asarray(filled).astype(types[kind], copy=False), missing)
