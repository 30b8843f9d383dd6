"""Stage prepare: purchases to learn from, and the rows that the model is judged and watched on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

TABLES = Path("../../data/complete-journey/tables")
NOT_PRODUCTS = ["FUEL", "MISCELLANEOUS", "COUPON"]
NOT_PRODUCT_CATEGORIES = ["COUPON/MISC ITEMS"]
WEEK_2 = dt.date(2017, 1, 2)
RECENT_WEEKS = 4
TEN = 10


def week_start(week: int) -> dt.date:
    """The Monday that a week of the dataset begins with (week 1 is one Sunday)."""
    return WEEK_2 + dt.timedelta(weeks=week - 2)


def read_purchases(tables: Path) -> pd.DataFrame:
    """A row for each purchase line of a product that is in the product list."""
    lines = pd.read_csv(
        tables / "transactions.csv",
        usecols=[
            "household_id",
            "basket_id",
            "product_id",
            "sales_value",
            "week",
            "transaction_timestamp",
        ],
        parse_dates=["transaction_timestamp"],
    )
    products = pd.read_csv(
        tables / "products.csv", usecols=["product_id", "department", "product_category"]
    )
    return lines.merge(products, on="product_id", how="inner")


def keep_products(purchases: pd.DataFrame, first_week: int, never: list[str]) -> pd.DataFrame:
    """Only products on a shelf that may be recommended, without the short first week."""
    left_out = (
        purchases.department.isin(NOT_PRODUCTS)
        | purchases.product_category.isin([*NOT_PRODUCT_CATEGORIES, *never])
        | (purchases.week < first_week)
    )
    return purchases[~left_out]


def household_state(purchases: pd.DataFrame, week: int) -> pd.DataFrame:
    """What is known of each household on the Monday of ``week``, from the weeks before it.

    Returns days_since_last_visit (days, 1 or more), visits_last_4_weeks and spend_last_4_weeks
    (USD), indexed by household_id.
    """
    past = purchases[purchases.week < week]
    recent = past[past.week >= week - RECENT_WEEKS].groupby("household_id")
    last_visit = past.groupby("household_id").transaction_timestamp.max().dt.normalize()
    state = pd.DataFrame(
        {
            # A week of the data ends in the small hours of a Monday: never less than one day.
            "days_since_last_visit": (pd.Timestamp(week_start(week)) - last_visit).dt.days.clip(1),
            "visits_last_4_weeks": recent.basket_id.nunique(),
            "spend_last_4_weeks": recent.sales_value.sum().round(2),
        }
    )
    return state.fillna({"visits_last_4_weeks": 0, "spend_last_4_weeks": 0.0})


def bought(purchases: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """A row for each household that shopped in weeks first to last: its products as one text."""
    pairs = purchases.loc[purchases.week.between(first, last), ["household_id", "product_id"]]
    pairs = pairs.drop_duplicates().sort_values(["household_id", "product_id"])
    texts = pairs.astype({"product_id": str}).groupby("household_id").product_id.agg(" ".join)
    return texts.rename("bought_products").reset_index()


def rows_of(purchases: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Request rows as of the Monday of week ``first``, with what was bought until ``last``."""
    rows = bought(purchases, first, last).join(household_state(purchases, first), on="household_id")
    rows = rows.fillna({"visits_last_4_weeks": 0, "spend_last_4_weeks": 0.0})
    rows = rows.astype({"days_since_last_visit": "Int64", "visits_last_4_weeks": int})
    rows["week_start"] = week_start(first).isoformat()
    return rows[
        [
            "household_id",
            "days_since_last_visit",
            "visits_last_4_weeks",
            "spend_last_4_weeks",
            "bought_products",
            "week_start",
        ]
    ]


def popular_products(train: pd.DataFrame, weeks: int) -> pd.Series:
    """Products by the number of households that bought them in the last weeks, most first."""
    recent = train[train.week > train.week.max() - weeks]
    counts = recent.groupby("product_id").household_id.nunique().rename("households")
    order = counts.reset_index().sort_values(["households", "product_id"], ascending=[False, True])
    return pd.Series(order.households.to_numpy(), index=order.product_id)


def own_products(train: pd.DataFrame, popular: pd.Series) -> pd.Series:
    """A household's products by the number of its visits with them, ties by popularity."""
    times = train.groupby(["household_id", "product_id"]).basket_id.nunique().rename("times")
    ranked = times.reset_index()
    ranked["households"] = ranked.product_id.map(popular).fillna(0)
    ranked = ranked.sort_values(
        ["household_id", "times", "households", "product_id"], ascending=[True, False, False, True]
    )
    top = ranked.groupby("household_id").head(TEN)
    return top.groupby("household_id").product_id.agg(list)


def with_baselines(holdout: pd.DataFrame, train: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """The holdout with the two baselines' ten products a row, as texts."""
    popular = popular_products(train, weeks)
    best = list(popular.index[: 2 * TEN])
    own = own_products(train, popular)

    def filled(household: int) -> str:
        mine = own.get(household, [])
        return " ".join(map(str, [*mine, *(p for p in best if p not in mine)][:TEN]))

    return holdout.assign(
        popularity_products=" ".join(map(str, best[:TEN])),
        own_frequency_products=[filled(household) for household in holdout.household_id],
    )


def with_slices(holdout: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The holdout with the bands of history and of recent spend that it is sliced by."""
    visits = holdout.household_id.map(train.groupby("household_id").basket_id.nunique()).fillna(0)
    infinite = float("inf")
    return holdout.assign(
        history=pd.cut(
            visits,
            [-1, 0, 19, 49, 99, infinite],
            labels=[
                "no visits",
                "1 to 19 visits",
                "20 to 49 visits",
                "50 to 99 visits",
                "100 visits or more",
            ],
        ),
        recent_spend=pd.cut(
            holdout.spend_last_4_weeks,
            [-1, 0, 50, 150, 300, infinite],
            labels=["nothing", "up to 50 USD", "50 to 150 USD", "150 to 300 USD", "over 300 USD"],
        ),
    )


def period(purchases: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """A row for each household and week in which it shopped, as of the Monday of that week."""
    return pd.concat([rows_of(purchases, week, week) for week in range(first, last + 1)])


def main(params: dict[str, Any]) -> None:
    split = params["split"]
    purchases = keep_products(
        read_purchases(TABLES), split["first_week"], params["never_recommend"]
    )
    train = purchases[purchases.week <= split["train_last_week"]]
    first_holdout = split["train_last_week"] + 1
    first_label = first_holdout - params["train"]["label_weeks"]
    training_rows = rows_of(train, first_label, split["train_last_week"])
    holdout = rows_of(purchases, first_holdout, split["holdout_last_week"])
    holdout = with_baselines(holdout, train, params["features"]["popular_weeks"])
    holdout = with_slices(holdout, train)
    reference = period(purchases, first_holdout, split["holdout_last_week"])
    analysis = period(purchases, split["holdout_last_week"] + 1, split["last_week"])

    for folder in ("prepared", "evaluation"):
        Path(folder).mkdir(exist_ok=True)
    columns = ["household_id", "basket_id", "product_id", "product_category", "sales_value"]
    train[[*columns, "week", "transaction_timestamp"]].to_parquet("prepared/train.parquet")
    training_rows.to_csv("prepared/training_rows.csv", index=False)
    holdout.to_csv("evaluation/holdout.csv", index=False)
    reference.to_csv("evaluation/reference.csv", index=False)
    analysis.to_csv("evaluation/analysis.csv", index=False)


if __name__ == "__main__":
    main(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))
