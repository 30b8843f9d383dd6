"""A contract inferred from data: it holds for that data, and promises no more than it may."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.contract.dataset import DatasetColumn
from ci.dataset.infer import ColumnProfile, headroom, looks_personal, missing_share


def infer(*pieces: list[Any], name: str = "x", kind: pa.DataType | None = None) -> DatasetColumn:
    profile = ColumnProfile(name)
    for piece in pieces:
        profile.add(pa.array(piece, kind or pa.string()))
    return profile.contract()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2"], "integer"),
        (["3000000000"], "integer"),
        (["1", "2.5"], "number"),
        (["true", "False"], "boolean"),
        (["2024-01-31", "2024-01-31 10:00:00"], "timestamp"),
        (["2024-01-31", "2024-02-30"], "string"),
        (["007", "1"], "string"),
        (["1", "x"], "string"),
        (["1", "true"], "string"),
        (["1000000000000000000000000000001"], "string"),
        (["1", "12345678901234567890"], "string"),
        (["1", None], "integer"),
        ([None, None], "string"),
    ],
)
def test_types(values: list[str | None], kind: str) -> None:
    assert infer(values).type == kind
    assert infer([values[0]], values[1:]).type == kind


def test_types_of_parquet_columns() -> None:
    assert infer([1, 2], kind=pa.int64()).type == "integer"
    assert infer([1.0, None], kind=pa.float64()).type == "number"
    assert infer([True], kind=pa.bool_()).type == "boolean"


def test_the_range_is_that_of_all_pieces_with_headroom() -> None:
    rules = infer(["3"], ["-7"], ["840"])
    assert (rules.minimum, rules.maximum) == (-10, 2000)


def test_a_type_that_changes_late_takes_its_range_away() -> None:
    rules = infer(["1", "2"], ["x"])
    assert (rules.type, rules.minimum, rules.maximum) == ("string", None, None)


def test_few_repeated_texts_are_categories_from_all_pieces() -> None:
    assert infer(["1", "2"] * 10, ["b", "a"] * 10).categories == ["1", "2", "a", "b"]
    assert infer(["a", "b", "c"]).categories is None
    assert infer([f"t{n}" for n in range(21)] * 20).categories is None


def test_personal_data_is_not_listed_as_categories() -> None:
    rules = infer(["Anna", "Bob"] * 50, name="first_name")
    assert rules.pii
    assert rules.categories is None


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "E-Mail",
        "customer_id",
        "CustomerName",
        "Vorname",
        "birthDate",
        "zip",
        "Straße",
        "home_address",
        "Store Manager Name",
        "store_customer_id",
        "customer_segment_age",
    ],
)
def test_names_that_look_personal(name: str) -> None:
    assert looks_personal(name)


@pytest.mark.parametrize(
    "name",
    [
        *("product_id", "price", "store", "percentage", "week", "filename"),
        *("Product Name", "storeCity", "aisle.name", "item_age_days", "Shop_Zip", "store_lat"),
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not looks_personal(name)


@given(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308))
def test_headroom_holds_what_was_seen(one: float, other: float) -> None:
    low, high = sorted((one, other))
    minimum, maximum = headroom(low, high)
    assert minimum <= low
    assert high <= maximum
    assert low < 0 or minimum == 0


def test_a_share_stays_a_share() -> None:
    assert headroom(0.2, 0.9) == (0, 1)


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_the_allowed_missing_share_holds_what_was_seen(rows: int, missing: int) -> None:
    missing = min(missing, rows)
    assert missing <= missing_share(missing, rows) * rows
    assert missing_share(missing, rows) <= 1
