"""Hooks of schemathesis: bodies that are tables, which it can't make from a schema.

Good ones by default, so that all must be taken; bad ones where the environment has `BAD_TABLES`.
"""

from __future__ import annotations

import datetime
import decimal
import io
import itertools
import os
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
import schemathesis
from hypothesis import strategies as st
from pyarrow import csv, parquet

from bentos.rows import INTEGER_LIMIT
from bentos.tables import ARROW_FILE, ARROW_STREAM, CSV, PARQUET, TABLES
from tests.support import all_types

RULES = all_types.contract("python")["input"]
ARROW_TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(),
               "string": pa.string()}  # fmt: skip
MOST_ROWS = 20
ODD_VALUES: list[Any] = [
    None, True, 0, -1, 2**31, 2**63 - 1, 1.5, 1e300, float("nan"), float("inf"), "", "a", "\0",
    "x" * 1000, b"\xff", [1], {"a": 1}, datetime.date(2026, 1, 1), datetime.timedelta(1),
    datetime.datetime(2026, 1, 1), decimal.Decimal("1.5"),
]  # fmt: skip


def values(rules: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a column of the contract may hold."""
    low, high = rules.get("minimum"), rules.get("maximum")
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "number": st.floats(low, high, allow_nan=False, allow_infinity=False),
        "integer": st.integers(
            -INTEGER_LIMIT if low is None else int(low),
            INTEGER_LIMIT if high is None else int(high),
        ),
        "boolean": st.booleans(),
        "string": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    }
    allowed = st.sampled_from(rules["categories"]) if rules["categories"] else kinds[rules["type"]]
    return st.none() | allowed if rules["nullable"] else allowed


@st.composite
def good_tables(draw: st.DrawFn) -> pa.Table:
    """Tables that the contract allows."""
    count = draw(st.integers(1, MOST_ROWS))
    columns = {
        name: pa.array(
            draw(st.lists(values(rules), min_size=count, max_size=count)),
            ARROW_TYPES[rules["type"]],
        )
        for name, rules in RULES.items()
    }
    return pa.table(columns)


@st.composite
def odd_tables(draw: st.DrawFn) -> pa.Table:
    """Good tables but for columns that are absent, of another type or name, or there twice."""
    table = draw(good_tables())
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, table.num_columns - 1))
        name = draw(st.sampled_from([*table.column_names, table.column_names[place], "other"]))
        column = pa.array([draw(st.sampled_from(ODD_VALUES))] * table.num_rows)
        if draw(st.booleans()) and not pa.types.is_nested(column.type):
            column = column.dictionary_encode()
        if draw(st.booleans()):
            table = table.remove_column(place)
        if draw(st.booleans()):
            table = table.append_column(name, column)
    return table


def write(kind: str, table: pa.Table) -> bytes:
    """The table as a body of the media type ``kind``."""
    sink = io.BytesIO()
    if kind == CSV:
        csv.write_csv(table, sink)
    elif kind == PARQUET:
        parquet.write_table(table, sink)
    else:
        new = pa.ipc.new_stream if kind == ARROW_STREAM else pa.ipc.new_file
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def bodies(kind: str, tables: st.SearchStrategy[pa.Table]) -> st.SearchStrategy[bytes]:
    """Bodies of the tables that this media type can hold."""

    def written(table: pa.Table) -> bytes | None:
        try:
            return write(kind, table)
        except (pa.ArrowException, ValueError):
            return None

    held = tables.map(written).filter(lambda body: body is not None)
    return cast("st.SearchStrategy[bytes]", held)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A body with some bytes changed, or cut off, or something after it."""
    body = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(body) - 1))
        body[place] = draw(st.integers(0, 255))
    del body[draw(st.integers(0, len(body))) or len(body) :]
    return bytes(body) + draw(st.binary(max_size=16))


def bad_bodies(kind: str) -> st.SearchStrategy[bytes]:
    """Whatever may come with this media type."""
    good = bodies(kind, good_tables())
    return st.binary() | damaged(good) | bodies(kind, odd_tables())


ACCEPTED = itertools.cycle([*TABLES, "*/*", "application/json", "text/html"])


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Ask for each form of an answer in turn."""
    case.headers = {**(case.headers or {}), "Accept": next(ACCEPTED)}


assert {ARROW_FILE, ARROW_STREAM, CSV, PARQUET} == set(TABLES)
for each in TABLES:
    make: Callable[[str], st.SearchStrategy[bytes]] = bad_bodies
    if "BAD_TABLES" not in os.environ:
        make = lambda kind: bodies(kind, good_tables())  # noqa: E731
    schemathesis.openapi.media_type(each, make(each))
