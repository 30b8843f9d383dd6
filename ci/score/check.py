"""A piece of a file held against the contract: the rows that may be scored, and the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentos.rows import INTEGER_LIMIT
from ci.dataset.values import known_numbers, native, typed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from ci.contract.columns import Column

SHOWN_CATEGORIES = 8
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class BadRows:
    """Rows of the file that break the contract: ``numbers`` count from 1 below the header."""

    table: pa.Table
    numbers: list[int]
    reasons: list[str]


@dataclass(frozen=True)
class Checked:
    """The good rows as they are in the file, the same rows' inputs typed, and the bad rows."""

    table: pa.Table
    inputs: dict[str, Any]
    bad: BadRows | None


def check_piece(
    inputs: Mapping[str, Column],
    ids: Sequence[str],
    numbers: Collection[str],
    table: pa.Table,
    first: int,
) -> Checked:
    """``table``, whose first row is number ``first`` of the file, by the rules of ``inputs``.

    Rows without a value in one of ``ids`` are bad too; the texts of the columns ``numbers`` are
    known to be numbers.
    """
    import pyarrow as pa

    columns = {name: _one(table.column(name)) for name in {**inputs, **dict.fromkeys(ids)}}
    broken: list[tuple[str, str, Any]] = []
    values: dict[str, Any] = {}
    for name, column in inputs.items():
        values[name], problems = _typed(column, columns[name], name in numbers)
        broken += [(name, rule, mask) for rule, mask in problems]
    for name in ids:
        if columns[name].null_count:
            broken.append((name, "must not be missing", columns[name].is_null()))
    if not broken:
        return Checked(table, values, None)
    good, bad = _split(broken, columns, table, first)
    keep = pa.array(good)
    kept = {name: array.filter(keep) for name, array in values.items()}
    return Checked(table.filter(keep), kept, bad)


def _one(column: Any) -> Any:
    import pyarrow as pa

    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)


def _typed(column: Column, raw: Any, known: bool) -> tuple[Any, list[tuple[str, Any]]]:
    """The values as the contract's type, and each rule that some break with a mask of the rows."""
    import pyarrow as pa

    whole = column.type == "integer" and pa.types.is_floating(raw.type)
    if known and column.type == "number":
        values, bad = known_numbers(raw)
    else:
        read = typed if pa.types.is_string(raw.type) else native
        values, bad = read(raw, "number" if whole else column.type)
    problems = []
    if bad is not None:
        article = "an" if column.type == "integer" else "a"
        problems.append((f"must be {article} {column.type}", bad))
    problems += _broken_rules(column, values, whole, bad)
    return values, problems


def _broken_rules(column: Column, values: Any, whole: bool, bad: Any) -> list[tuple[str, Any]]:
    import pyarrow.compute as pc

    missing = pc.is_null(values) if bad is None else pc.and_not(pc.is_null(values), bad)
    masks = [] if column.nullable else [("must not be missing", missing)]
    masks += list(_broken_by_value(column, values, whole))
    return [(rule, pc.fill_null(m, False)) for rule, m in masks if pc.any(m).as_py()]


def _broken_by_value(column: Column, values: Any, whole: bool) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if whole:
        yield "must be an integer", pc.not_equal(values, pc.floor(values))
    if column.type == "integer":
        yield f"must be within ±{INTEGER_LIMIT}", pc.greater(pc.abs(values), INTEGER_LIMIT)
    if column.minimum is not None:
        yield f"must be at least {column.minimum:.15g}", pc.less(values, column.minimum)
    if column.maximum is not None:
        yield f"must be at most {column.maximum:.15g}", pc.greater(values, column.maximum)
    if column.categories is not None:
        names = ", ".join(column.categories[:SHOWN_CATEGORIES])
        known = pc.is_in(values, pa.array(column.categories))
        yield f"must be one of {names}", pc.and_(pc.is_valid(values), pc.invert(known))
    elif column.type == "string":
        yield "must not contain the character U+0000", pc.match_substring(values, "\0")


def _split(
    broken: list[tuple[str, str, Any]], columns: dict[str, Any], table: pa.Table, first: int
) -> tuple[Any, BadRows]:
    """A mask of the good rows, and the bad ones with all their reasons in words."""
    import numpy as np

    good = np.ones(table.num_rows, np.bool_)
    reasons: dict[int, list[str]] = {}
    for name, rule, mask in broken:
        wrong = np.flatnonzero(np.asarray(mask))
        good[wrong] = False
        for row in wrong.tolist():
            value = columns[name][row].as_py()
            found = "" if value is None else f", found {str(value)[:SHOWN_CHARACTERS]!r}"
            reasons.setdefault(row, []).append(f"{name} {rule}{found}")
    rows = sorted(reasons)
    return good, BadRows(
        table.take(rows), [first + row for row in rows], ["; ".join(reasons[row]) for row in rows]
    )
