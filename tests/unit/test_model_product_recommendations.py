"""What product-recommendations promises beyond conformance: no leakage, nothing forbidden."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MODEL = Path(__file__).parents[2] / "models" / "product-recommendations"
HOUSEHOLDS, PRODUCTS, WEEKS = 30, 80, range(1, 54)
TRAIN_LAST_WEEK = 36
BEER, FUEL, COUPON = 1001, 1002, 1003
STATE = ["days_since_last_visit", "visits_last_4_weeks", "spend_last_4_weeks"]


def purchases() -> pd.DataFrame:
    """One visit a household and week: four products of its own taste, beer, fuel and a coupon."""
    random = np.random.default_rng(7)
    lines = []
    for basket, (household, week) in enumerate(
        (household, week) for household in range(1, HOUSEHOLDS + 1) for week in WEEKS
    ):
        taste = (household + random.poisson(6, 4)) % PRODUCTS + 1
        for product in [*np.unique(taste), BEER, FUEL, COUPON]:
            lines.append((household, basket, product, 1.5, week))
    table = pd.DataFrame(
        lines, columns=["household_id", "basket_id", "product_id", "sales_value", "week"]
    )
    day = pd.to_timedelta(7 * (table.week - 2) + 2, unit="D")
    return table.assign(transaction_timestamp=pd.Timestamp("2017-01-02 12:00:00") + day)


def products() -> pd.DataFrame:
    shelf = [(product, "GROCERY", f"CATEGORY {product % 9}") for product in range(1, PRODUCTS + 1)]
    others = [
        (BEER, "GROCERY", "BEERS/ALES"),
        (FUEL, "FUEL", "FUEL"),
        (COUPON, "DRUG GM", "COUPON/MISC ITEMS"),
    ]
    return pd.DataFrame([*shelf, *others], columns=["product_id", "department", "product_category"])


def trained(root: Path, lines: pd.DataFrame) -> Path:
    """The model's folder in a small repository, after both of its stages."""
    tables = root / "data" / "complete-journey" / "tables"
    tables.mkdir(parents=True)
    lines.to_csv(tables / "transactions.csv", index=False)
    products().to_csv(tables / "products.csv", index=False)
    folder = root / "models" / MODEL.name
    folder.mkdir(parents=True)
    for file in [*MODEL.glob("*.py"), MODEL / "params.yaml"]:
        shutil.copy(file, folder)
    for stage in ("prepare.py", "train.py"):
        subprocess.run([sys.executable, stage], cwd=folder, check=True)
    return folder


def predictions(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The model's answer from a fresh process, so that no two models share module names."""
    rows.to_csv(folder / "rows.csv", index=False)
    code = (
        "import pandas, predict; model = predict.load_model('artifact'); "
        "predict.predict(model, pandas.read_csv('rows.csv')).to_csv('answer.csv', index=False)"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
    return pd.read_csv(folder / "answer.csv")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("whole"), purchases())


@pytest.fixture(scope="module")
def changed_later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but after the training weeks everyone bought other products, and paid more."""
    lines = purchases()
    later = (lines.week > TRAIN_LAST_WEEK) & (lines.product_id <= PRODUCTS)
    lines.loc[later, "product_id"] = PRODUCTS + 1 - lines.product_id
    lines.loc[later, "sales_value"] = 99.0
    return trained(tmp_path_factory.mktemp("changed"), lines)


def test_nothing_after_the_training_weeks_reaches_the_artifact(
    model: Path, changed_later: Path
) -> None:
    here, there = (
        {file.name: file.read_bytes() for file in (folder / "artifact").iterdir()}
        for folder in (model, changed_later)
    )
    assert "hidden.npy" in here
    assert there == here


def test_the_holdout_differs_in_what_was_bought_only(model: Path, changed_later: Path) -> None:
    here, there = (
        pd.read_csv(folder / "evaluation" / "holdout.csv") for folder in (model, changed_later)
    )
    same = [column for column in here if column != "bought_products"]
    pd.testing.assert_frame_equal(here[same], there[same])
    assert (here.bought_products != there.bought_products).all()


def test_a_monitoring_row_knows_earlier_weeks_only(model: Path, changed_later: Path) -> None:
    here, there = (
        pd.read_csv(folder / "evaluation" / "reference.csv").set_index("week_start")
        for folder in (model, changed_later)
    )
    first, second = "2017-09-04", "2017-09-11"
    assert (here.loc[[first], STATE].to_numpy() == there.loc[[first], STATE].to_numpy()).all()
    assert (here.loc[[second], STATE].to_numpy() != there.loc[[second], STATE].to_numpy()).any()


def test_state_is_counted_from_the_monday_of_the_row(model: Path) -> None:
    rows = pd.read_csv(model / "evaluation" / "holdout.csv")
    # Each week's only visit is on a Wednesday: five days before the next Monday.
    assert (rows.days_since_last_visit == 5).all()
    assert (rows.visits_last_4_weeks == 4).all()


def test_ten_different_products_and_none_that_is_left_out(model: Path) -> None:
    rows = pd.read_csv(model / "evaluation" / "holdout.csv")
    answer = predictions(model, rows)
    assert answer.shape == (HOUSEHOLDS, 10)
    assert (answer.nunique(axis=1) == 10).all()
    assert answer.isin(range(1, PRODUCTS + 1)).all(axis=None)


def test_an_unknown_household_gets_the_most_popular_products(model: Path) -> None:
    rows = pd.read_csv(model / "evaluation" / "holdout.csv").head(2)
    rows.loc[0, ["household_id", "days_since_last_visit"]] = [2_147_483_647, None]
    answer = predictions(model, rows)
    popular = [int(product) for product in rows.popularity_products[0].split()]
    assert list(answer.iloc[0]) == popular
    assert list(answer.iloc[1]) != popular
