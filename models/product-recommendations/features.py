"""Candidates of a household and what its history up to a week says about each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FEATURES = [
    "visits_with",
    "weeks_with",
    "recent_share",
    "weeks_since",
    "overdue",
    "bought_once",
    "category_habit",
    "popularity",
    "repeat_rate",
]
NEVER = 60.0
SMOOTHING = 5.0
PAIR = ["household_id", "product_id"]


def candidates(history: pd.DataFrame, last_week: int, params: dict[str, Any]) -> pd.DataFrame:
    """The products among which a household's ten are chosen, best known ones first.

    ``history`` holds purchases of weeks up to ``last_week`` only. Returns a row for each
    household and candidate with household_id, product_id and FEATURES (no units: logarithms,
    shares, and 0 or 1), ordered by household, popularity and product.
    """
    # One line a product and visit: buying two of it on one visit is one decision.
    visits = history.drop_duplicates(["household_id", "basket_id", "product_id"])
    decay = 0.5 ** ((last_week - visits.week) / params["features"]["half_life_weeks"])
    visits = visits.assign(decay=decay)
    habits = household_habits(visits, last_week)
    products = product_table(visits, last_week, params["features"]["popular_weeks"])
    pairs = candidate_pairs(habits, products, params["candidates"])
    table = pairs.merge(habits, how="left", on=PAIR).join(products, on="product_id")
    table = table.merge(
        visits.groupby(["household_id", "product_category"]).decay.sum().rename("category"),
        how="left",
        on=["household_id", "product_category"],
    )
    table = table.join(household_activity(visits), on="household_id")
    table = table.sort_values(
        ["household_id", "households", "product_id"], ascending=[True, False, True]
    )
    return as_features(table).reset_index(drop=True)


def household_habits(visits: pd.DataFrame, last_week: int) -> pd.DataFrame:
    """For each household and product bought: how often, how lately, how regularly."""
    habits = visits.groupby(PAIR).agg(
        visits=("basket_id", "size"),
        weeks=("week", "nunique"),
        first=("week", "min"),
        last=("week", "max"),
        decayed=("decay", "sum"),
    )
    return habits.assign(age=last_week - habits["last"]).reset_index()


def product_table(visits: pd.DataFrame, last_week: int, popular_weeks: int) -> pd.DataFrame:
    """For each product: households that bought it lately, and the share that bought it again."""
    recent = visits[visits.week > last_week - popular_weeks]
    before = visits[
        visits.week.between(last_week - 2 * popular_weeks + 1, last_week - popular_weeks)
    ]
    table = visits.groupby("product_id")[["product_category"]].first()
    table["households"] = recent.groupby("product_id").household_id.nunique()
    table["households"] = table.households.fillna(0)
    table["popularity"] = table.households / recent.household_id.nunique()
    table["repeat_rate"] = repeat_rates(before[PAIR], recent[PAIR])
    table["repeat_rate"] = table.repeat_rate.fillna(table.repeat_rate.mean())
    return table.fillna({"product_category": "UNKNOWN"})


def repeat_rates(before: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    """Share of a product's households that bought it again, drawn towards the overall share."""
    buyers = before.drop_duplicates().merge(
        after.drop_duplicates(), how="left", on=PAIR, indicator=True
    )
    again = (buyers["_merge"] == "both").groupby(buyers.product_id).agg(["sum", "size"])
    overall = again["sum"].sum() / again["size"].sum()
    return (again["sum"] + SMOOTHING * overall) / (again["size"] + SMOOTHING)


def household_activity(visits: pd.DataFrame) -> pd.Series:
    """A household's visits, each weighted by its age."""
    baskets = visits.drop_duplicates(["household_id", "basket_id"])
    return baskets.groupby("household_id").decay.sum().rename("activity")


def candidate_pairs(
    habits: pd.DataFrame, products: pd.DataFrame, limits: dict[str, int]
) -> pd.DataFrame:
    """Each household's strongest own products, and the most popular products for everyone."""
    own = habits.sort_values(
        ["household_id", "decayed", "product_id"], ascending=[True, False, True]
    )
    own = own.groupby("household_id").head(limits["own_products"])[PAIR]
    popular = most_popular(products, limits["popular_products"])
    households = habits.household_id.unique()
    common = pd.MultiIndex.from_product([households, popular], names=PAIR).to_frame(index=False)
    return pd.concat([own, common]).drop_duplicates()


def most_popular(products: pd.DataFrame, count: int) -> list[int]:
    """Products by the number of households that bought them lately."""
    order = products.reset_index().sort_values(
        ["households", "product_id"], ascending=[False, True]
    )
    return list(order.product_id[:count])


def as_features(table: pd.DataFrame) -> pd.DataFrame:
    """FEATURES from counts; a product that the household never bought has zero counts."""
    counts = table.fillna({"visits": 0, "weeks": 0, "decayed": 0, "category": 0, "age": NEVER})
    gap = (counts["last"] - counts["first"]) / (counts.weeks - 1).clip(1)
    overdue = np.where(counts.weeks > 1, (counts.age / gap.clip(1)).clip(0, 6), -1.0)
    return pd.DataFrame(
        {
            "household_id": counts.household_id,
            "product_id": counts.product_id,
            "visits_with": np.log1p(counts.visits),
            "weeks_with": np.log1p(counts.weeks),
            "recent_share": np.log((counts.decayed + 0.05) / (counts.activity + 0.5)),
            "weeks_since": np.log1p(counts.age),
            "overdue": overdue,
            "bought_once": (counts.visits == 1).astype(float),
            "category_habit": np.log(counts.category + 0.1),
            "popularity": np.log(counts.popularity + 1e-4),
            "repeat_rate": np.log(counts.repeat_rate),
        }
    )
