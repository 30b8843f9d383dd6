"""Rows as frames: the quick way and the thorough one agree on everything."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from bentos.columns import rows_frame
from bentos.frames import column_from_values
from bentos.rows import RowsError, check_rows

COLUMNS: dict[str, dict[str, Any]] = {
    "x": {"type": "number", "minimum": -5, "maximum": 5},
    "any": {"type": "number"},
    "maybe": {"type": "number", "nullable": True},
    "n": {"type": "integer"},
    "b": {"type": "boolean"},
    "s": {"type": "string", "categories": ["a", "b"]},
}
GOOD = {"x": 1.5, "any": 2, "maybe": None, "n": 3.0, "b": True, "s": "a"}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, 10**400, -(2**31), 2**31, "a", "\0", [], {}, 5, -5.5, 1e400]),
    st.floats(),
    st.integers(),
)
CHANGES = st.dictionaries(st.sampled_from([*COLUMNS, "other"]), VALUES, max_size=2)
ROWS = st.lists(CHANGES.map(lambda changes: GOOD | changes) | VALUES, min_size=1, max_size=4)


def thorough(rows: list[Any]) -> Any:
    """The columns as lists, or the problems."""
    try:
        values = check_rows(COLUMNS, rows)
    except RowsError as error:
        return error.problems
    return {
        name: column_from_values(
            values[name], rules["type"], nullable=bool(rules.get("nullable"))
        ).to_list()
        for name, rules in COLUMNS.items()
    }


def quick(rows: list[Any]) -> Any:
    """The same by way of a frame."""
    try:
        frame = rows_frame(rows, COLUMNS)
    except RowsError as error:
        return error.problems
    assert frame.names == list(COLUMNS)
    return frame.to_lists()


@given(ROWS)
@example([GOOD])
@example([GOOD, GOOD | {"x": -5.5}])
@example([GOOD, {name: value for name, value in GOOD.items() if name != "maybe"}])
@example([["x"] * len(GOOD)])
def test_rows_become_the_frame_of_the_thorough_check(rows: list[Any]) -> None:
    assert repr(quick(rows)) == repr(thorough(rows))
