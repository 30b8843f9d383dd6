"""One row a household and four-week period: what was known at its end, and what came after."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

SOURCE = Path("../complete-journey/tables")
TARGET = Path("tables/household-spend.csv")
SECOND_WEEK = pd.Timestamp("2017-01-02")
FIRST_END = 9  # eight weeks of past, weeks 2 to 9
LAST_END = 49  # four weeks of future, weeks 50 to 53
LEFT_OUT_DEPARTMENTS = ("FUEL", "MISCELLANEOUS")
LEFT_OUT_CATEGORY = "COUPON/MISC ITEMS"


def main() -> None:
    """Write ``tables/household-spend.csv``."""
    lines = read_lines()
    known = pd.read_csv(
        SOURCE / "demographics.csv", usecols=["household_id", "income", "household_size"]
    )
    periods = [period(lines, end) for end in range(FIRST_END, LAST_END + 1, 4)]
    write(pd.concat(periods).merge(known, on="household_id", how="left")[columns()])


def columns() -> list[str]:
    """The columns in the order of dataset.yaml."""
    return [
        *("household_id", "period_end", "visits_4w", "visits_8w", "spend_4w", "spend_8w"),
        *("items_4w", "products_4w", "discount_4w", "coupons_4w", "days_since_visit"),
        *("private_share_8w", "income", "household_size", "next_spend"),
    ]


def read_lines() -> pd.DataFrame:
    """Purchase lines of weeks 2 to 53 with the day and whether the brand is the shop's own."""
    products = pd.read_csv(
        SOURCE / "products.csv", usecols=["product_id", "department", "brand", "product_category"]
    )
    out = products["department"].isin(LEFT_OUT_DEPARTMENTS)
    out |= products["product_category"] == LEFT_OUT_CATEGORY
    products = products.loc[~out, ["product_id", "brand"]]
    lines = pd.read_csv(
        SOURCE / "transactions.csv",
        usecols=[
            *("household_id", "basket_id", "product_id", "quantity", "sales_value"),
            *("retail_disc", "coupon_disc", "week", "transaction_timestamp"),
        ],
        parse_dates=["transaction_timestamp"],
    )
    lines = lines[lines["week"] >= 2].merge(products, on="product_id")
    # Weeks change at about 05:00 in the data's clock, which is midnight in its shops.
    lines["day"] = (lines["transaction_timestamp"] - pd.Timedelta(hours=5)).dt.normalize()
    lines["private_value"] = lines["sales_value"].where(lines["brand"] == "Private", 0.0)
    return lines


def period(lines: pd.DataFrame, end: int) -> pd.DataFrame:
    """Features from the weeks up to ``end``, and the spend of the four weeks after it."""
    day = SECOND_WEEK + pd.Timedelta(weeks=end - 1)
    past = lines[lines["week"] <= end]
    table = features(past, end, day)
    future = lines[lines["week"].between(end + 1, end + 4)]
    spend = future.groupby("household_id")["sales_value"].sum().round(2)
    table["next_spend"] = spend.reindex(table.index).fillna(0.0)
    table.insert(0, "period_end", day.strftime("%Y-%m-%d"))
    return table.reset_index()


def features(past: pd.DataFrame, end: int, day: pd.Timestamp) -> pd.DataFrame:
    """One row a household that bought before ``day``; amounts of 4 and 8 weeks before it."""
    four, eight = (past[past["week"] > end - weeks] for weeks in (4, 8))
    last_day = past.groupby("household_id")["day"].max()
    by_four, by_eight = four.groupby("household_id"), eight.groupby("household_id")
    spend_8w = by_eight["sales_value"].sum()
    counts = {
        "visits_4w": by_four["basket_id"].nunique(),
        "visits_8w": by_eight["basket_id"].nunique(),
        "items_4w": by_four["quantity"].sum(),
        "products_4w": by_four["product_id"].nunique(),
        "coupons_4w": (four["coupon_disc"] > 0).groupby(four["household_id"]).sum(),
    }
    amounts = {
        "spend_4w": by_four["sales_value"].sum(),
        "spend_8w": spend_8w,
        "discount_4w": by_four["retail_disc"].sum(),
    }
    table = pd.DataFrame(index=last_day.index)
    for name, values in counts.items():
        table[name] = values.reindex(table.index).fillna(0).astype("int64")
    for name, values in amounts.items():
        table[name] = values.reindex(table.index).fillna(0.0).round(2)
    table["days_since_visit"] = (day - last_day).dt.days
    share = by_eight["private_value"].sum() / spend_8w.where(spend_8w > 0)
    table["private_share_8w"] = share.reindex(table.index).round(4)
    return table


def write(table: pd.DataFrame) -> None:
    """Write the table whole or not at all."""
    TARGET.parent.mkdir(exist_ok=True)
    temporary = TARGET.with_name(f".{TARGET.name}.part")
    table.to_csv(temporary, index=False, lineterminator="\n")
    os.replace(temporary, TARGET)
    print(f"wrote {TARGET}: {len(table):,} rows", flush=True)


if __name__ == "__main__":
    main()
