"""Frames: exact round trips, and bytes that are no frame."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.frames import (
    Column,
    ContractType,
    Field,
    Frame,
    FrameError,
    column_from_any,
    decode,
    encode,
    from_pandas,
    from_rows,
    to_pandas,
)

FIELDS = [Field("n", "number"), Field("i", "integer"), Field("b", "boolean"), Field("s", "string")]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.floats(),
        "i": st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
        "b": st.none() | st.booleans(),
        "s": st.none() | TEXT,
    }
)


def bits(values: list[float | None]) -> list[bytes | None]:
    return [None if value is None else struct.pack("d", value) for value in values]


@given(st.lists(ROW, max_size=20))
def test_any_rows_come_back_as_they_were(rows: list[dict[str, Any]]) -> None:
    back = decode(encode(from_rows(rows, FIELDS))).to_lists()
    assert bits(back.pop("n")) == bits([row["n"] for row in rows])
    assert back == {name: [row[name] for row in rows] for name in ("i", "b", "s")}


def test_nan_and_missing_are_two_things() -> None:
    back = decode(encode(from_rows([{"n": math.nan}, {"n": None}], [Field("n", "number")])))
    first, second = back.to_lists()["n"]
    assert math.isnan(first)
    assert second is None


def test_a_frame_without_columns() -> None:
    assert decode(encode(Frame())).to_lists() == {}


def test_a_nullable_field_always_has_a_mask() -> None:
    frame = from_rows([{"n": 1.0}], [Field("n", "number", True), Field("s", "string", True)])
    masks = [column.missing for column in decode(encode(frame)).columns.values()]
    assert [None if mask is None else mask.tolist() for mask in masks] == [[False], [True]]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("number", "1"),
        ("number", True),
        ("number", 10**400),
        ("integer", 1.0),
        ("integer", True),
        ("integer", 2**31),
        ("integer", -(2**31)),
        ("boolean", 1),
        ("string", 1),
        ("string", b"x"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(type_: ContractType, value: object) -> None:
    with pytest.raises(FrameError, match="'c'"):
        from_rows([{"c": value}], [Field("c", type_)])


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_a_language_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(FrameError, match="'c'"):
        encode(from_rows([{"c": text}], [Field("c", "string")]))


def test_columns_of_different_lengths_are_no_frame() -> None:
    with pytest.raises(FrameError):
        Frame({"a": Column("float64", np.zeros(1)), "b": Column("float64", np.zeros(2))})


def sample() -> bytes:
    rows: list[dict[str, Any]] = [
        {"n": 1.5, "i": 1, "b": True, "s": "é"},
        {"n": None, "i": 2, "b": False, "s": "b"},
    ]
    return encode(from_rows(rows, FIELDS))


def test_a_frame_cut_short_or_made_longer_is_refused() -> None:
    data = sample()
    for length in range(len(data)):
        with pytest.raises(FrameError):
            decode(data[:length])
    with pytest.raises(FrameError, match="stray"):
        decode(data + b"\0")


@given(st.data())
def test_damaged_bytes_give_a_frame_or_a_frame_error(data: st.DataObject) -> None:
    damaged = bytearray(sample())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode(damaged)
    except FrameError:
        return
    assert {len(column) for column in frame.to_lists().values()} == {frame.rows}


@given(st.binary(max_size=200))
def test_random_bytes_give_a_frame_or_a_frame_error(data: bytes) -> None:
    try:
        frame = decode(data)
    except FrameError:
        return
    assert decode(encode(frame)).names == frame.names


def column(kind: int = 1, mask: int = 0, name: bytes = b"x") -> bytes:
    return struct.pack("<BBH", kind, mask, len(name)) + name


def frame_of(width: int, rows: int, schema: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<III", width, rows, len(schema)) + schema + rest


@pytest.mark.parametrize(
    "data",
    [
        frame_of(0, 5, b""),
        frame_of(1, 2**32 - 1, column()),
        frame_of(2**32 - 1, 0, b""),
        frame_of(2, 0, column()),
        struct.pack("<III", 1, 0, 2**32 - 1) + column(),
        frame_of(1, 1, column(4), struct.pack("<I", 2**32 - 1)),
        frame_of(1, 0, column(5)),
        frame_of(1, 0, column(mask=2)),
        frame_of(1, 1, column(3), b"\2"),
        frame_of(1, 0, column(name=b"\xff")),
        frame_of(2, 0, column() + column()),
    ],
)
def test_a_frame_that_lies_about_itself_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


def test_a_declared_size_takes_no_memory() -> None:
    """In a process of its own with 1 GiB: 4 billion rows would need 32 GiB."""
    script = (
        "import resource, struct; from bentos.frames import decode, FrameError\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))\n"
        "data = struct.pack('<IIIBBH', 1, 2**32 - 1, 4, 1, 1, 0) + bytes(1000)\n"
        "try: decode(data)\n"
        "except FrameError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n", done.stderr


def test_a_frame_needs_numpy_only() -> None:
    script = "import bentos.frames, bentos.runners, sys; print('pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "False\n", done.stderr


@given(st.lists(ROW, min_size=1, max_size=10))
def test_tables_and_back(rows: list[dict[str, Any]]) -> None:
    fields = [field._replace(nullable=True) for field in FIELDS]
    back = from_pandas(to_pandas(from_rows(rows, fields)), fields).to_lists()
    missing_is_nan = [None if n is None or math.isnan(n) else n for n in (r["n"] for r in rows)]
    assert bits(back.pop("n")) == bits(missing_is_nan)
    assert back == {name: [row[name] for row in rows] for name in ("i", "b", "s")}


def test_a_table_has_the_types_that_read_csv_gives() -> None:
    rows = [{"n": 1.5, "i": 1, "b": True, "s": "x"}]
    frame = from_rows(rows, FIELDS)
    assert [str(each) for each in to_pandas(frame).dtypes] == ["float64", "int64", "bool", "str"]
    empty = to_pandas(from_rows([], FIELDS))
    assert [str(each) for each in empty.dtypes] == ["float64", "int64", "bool", "str"]


@pytest.mark.parametrize(
    ("series", "type_"),
    [
        (pd.Series(["1"]), "number"),
        (pd.Series([True]), "number"),
        (pd.Series([1.5]), "integer"),
        (pd.Series([2**31]), "integer"),
        (pd.Series([1]), "string"),
        (pd.Series([1]), "boolean"),
        (pd.Series(["a", 1], dtype=object), "string"),
        (pd.Series(pd.to_datetime(["2017-01-01"])), "string"),
    ],
)
def test_a_table_column_of_another_type_is_refused(series: pd.Series, type_: ContractType) -> None:
    with pytest.raises(FrameError, match="'c'"):
        from_pandas(pd.DataFrame({"c": series}), [Field("c", type_)])


def test_an_absent_table_column_is_named() -> None:
    with pytest.raises(FrameError, match="'c' is missing"):
        from_pandas(pd.DataFrame({"d": [1]}), [Field("c", "number")])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "int32", [1, 2]),
        ([1, None], "int32", [1, None]),
        ([2**40], "float64", [2.0**40]),
        ([1, 2.5], "float64", [1.0, 2.5]),
        ([None, "a"], "utf8", [None, "a"]),
        ([True, None], "bool", [True, None]),
        (np.array(["a", "b"]), "utf8", ["a", "b"]),
        (np.array([1.5], np.float32), "float64", [1.5]),
        (np.array([3], np.uint64), "int32", [3]),
        (pd.Series([1, None], dtype="Int64"), "int32", [1, None]),
        (pd.Series(["a", "b"], dtype="category"), "utf8", ["a", "b"]),
        (pd.Series([True, None], dtype="boolean"), "bool", [True, None]),
    ],
)
def test_what_a_model_may_return(values: object, kind: str, expected: list[object]) -> None:
    column = column_from_any(values)
    assert (column.kind, column.to_list()) == (kind, expected)


@pytest.mark.parametrize(
    "values", [[2**70], ["a", 1], [[1], [1, 2]], np.zeros((2, 1)), 5, None, [b"x"], [object()]]
)
def test_what_a_model_may_not_return(values: object) -> None:
    with pytest.raises(FrameError):
        column_from_any(values)
