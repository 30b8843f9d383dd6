"""The R model of models/demand-forecast on a small made-up chain, through real Rscript."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MODEL = Path(__file__).parents[2] / "models" / "demand-forecast"
WEEKS = range(1, 54)
LAST_TRAIN_WEEK = 36
CATEGORIES = {"YOGURT": "GROCERY", "APPLES": "PRODUCE", "HERBS": "PRODUCE"}
STAGES = {
    "prepare.R": ["first_week=2", "last_train_week=36", "minimum_weekly_units=5"],
    "train.R": ["last_train_week=36", "last_holdout_week=44", "category_shrinkage=100"],
}


def chain(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Two products a category in six stores, sold every week, one in five on promotion."""
    products = pd.DataFrame(
        {
            "product_id": range(1, 7),
            "department": np.repeat(list(CATEGORIES.values()), 2),
            "product_category": np.repeat(list(CATEGORIES), 2),
        }
    )
    index = pd.MultiIndex.from_product(
        [WEEKS, range(1, 7), products["product_id"]], names=["week", "store_id", "product_id"]
    )
    sales = index.to_frame(index=False)
    sales["promoted"] = rng.random(len(sales)) < 0.2
    sales["quantity"] = rng.poisson(4 + sales["store_id"] + 9 * sales["promoted"]) + 1
    places = sales[sales["promoted"]].drop(columns=["promoted", "quantity"])
    promotions = places.assign(
        display_location=rng.choice(["0", "3"], len(places)),
        mailer_location=rng.choice(["A", "D"], len(places)),
    )
    return {
        "transactions.csv": sales.drop(columns="promoted"),
        "products.csv": products,
        "promotions.csv.gz": promotions,
    }


def repository(root: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """The model's own files beside ``tables``; returns the model's folder."""
    folder = root / "models" / "demand-forecast"
    folder.mkdir(parents=True)
    for script in MODEL.glob("*.R"):
        shutil.copy(script, folder)
    data = root / "data" / "complete-journey" / "tables"
    data.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(data / name, index=False)
    return folder


def run(folder: Path, script: str, *settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["Rscript", "run.R", script, *(settings or STAGES[script])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def trained(root: Path, tables: dict[str, pd.DataFrame]) -> Path:
    folder = repository(root, tables)
    for script in STAGES:
        done = run(folder, script)
        assert done.returncode == 0, done.stderr
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return chain(np.random.default_rng(7))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, pd.DataFrame]) -> Path:
    return trained(tmp_path_factory.mktemp("chain"), tables)


def test_what_happens_after_the_training_weeks_changes_nothing_in_the_artifact(
    tmp_path: Path, tables: dict[str, pd.DataFrame], model: Path
) -> None:
    rng = np.random.default_rng(8)
    sales, promotions = (tables[n].copy() for n in ("transactions.csv", "promotions.csv.gz"))
    later = sales["week"] > LAST_TRAIN_WEEK
    sales.loc[later, "quantity"] = rng.integers(1, 500, later.sum())
    sales.loc[later, "store_id"] = rng.permutation(sales.loc[later, "store_id"])
    promotions = promotions[promotions["week"] <= LAST_TRAIN_WEEK]
    changed = {**tables, "transactions.csv": sales, "promotions.csv.gz": promotions}

    other = trained(tmp_path, changed)

    assert contents(other / "artifact") == contents(model / "artifact")
    assert contents(other / "evaluation") != contents(model / "evaluation")


def test_a_change_in_the_training_weeks_changes_the_artifact(
    tmp_path: Path, tables: dict[str, pd.DataFrame], model: Path
) -> None:
    sales = tables["transactions.csv"].copy()
    sales.loc[sales["week"] == LAST_TRAIN_WEEK, "quantity"] *= 2
    other = trained(tmp_path, {**tables, "transactions.csv": sales})
    assert contents(other / "artifact") != contents(model / "artifact")


def test_training_twice_writes_the_same_bytes(
    tmp_path: Path, tables: dict[str, pd.DataFrame], model: Path
) -> None:
    other = trained(tmp_path, tables)
    for part in ("artifact", "evaluation", "prepared"):
        assert contents(other / part) == contents(model / part)


def test_features_of_a_row_come_from_the_weeks_before_it(
    tables: dict[str, pd.DataFrame], model: Path
) -> None:
    groups = pd.read_csv(model / "artifact" / "store_groups.csv")
    goods = tables["transactions.csv"].merge(tables["products.csv"]).merge(groups)
    units = goods[goods["product_category"] == "YOGURT"].groupby(["store_group", "week"])[
        "quantity"
    ]
    sold = units.sum()["low_fresh"]
    everywhere = goods[goods["product_category"] == "YOGURT"].groupby("week")["quantity"].sum()
    holdout = pd.read_csv(model / "evaluation" / "holdout.csv")
    row = holdout[(holdout["series"] == "YOGURT | low_fresh") & (holdout["week"] == 40)].iloc[0]

    assert row["actual_units"] == sold[40]
    assert [row["units_last_week"], row["units_4_weeks_ago"]] == [sold[39], sold[36]]
    assert row["mean_units_8_weeks"] == pytest.approx(sold.loc[32:39].mean())
    assert row["mean_units_16_weeks"] == pytest.approx(sold.loc[24:39].mean())
    assert row["baseline_mean_4_weeks"] == pytest.approx(sold.loc[36:39].mean())
    assert row["category_units_last_week"] == everywhere[39]
    # 25 September to 1 October: one day of the new month.
    assert [row["week_start"], row["month_start_days"]] == ["2017-09-25", 1]


def test_a_promotion_planned_for_next_week_raises_the_forecast(model: Path) -> None:
    code = """
    source("predict.R"); m <- load_model("artifact")
    r <- read.csv("evaluation/holdout.csv")[c(1, 1), ]
    r$mailer_share_next_week <- c(0, 1)
    cat(predict_rows(m, r), predict_rows(m, transform(r[1, ], category = "NEVER SEEN")))
    """
    done = subprocess.run(
        ["Rscript", "-e", code], cwd=model, capture_output=True, text=True, check=True
    )
    without, promoted, unknown = map(float, done.stdout.split())
    assert promoted > without > 0
    assert unknown > 0


def test_metrics_say_how_the_candidate_and_each_baseline_did(model: Path) -> None:
    metrics = json.loads((model / "metrics.json").read_text())
    holdout = pd.read_csv(model / "evaluation" / "holdout.csv")
    missed = (holdout["baseline_last_week"] - holdout["actual_units"]).abs().mean()
    assert metrics["mae_last_week"] == pytest.approx(missed)
    assert metrics["mae"] < metrics["mae_last_week"]
    assert metrics["holdout_rows"] == len(holdout)


def test_an_error_names_its_file_and_line(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    folder = repository(tmp_path, tables)
    done = run(
        folder, "prepare.R", "first_week=2", "last_train_week=36", "minimum_weekly_units=9999"
    )
    line = next(
        number
        for number, text in enumerate((folder / "prepare.R").read_text().splitlines(), 1)
        if 'stop("no category sells "' in text
    )
    assert done.returncode == 1
    assert f"prepare.R#{line}\n" in done.stderr
    assert "lower minimum_weekly_units" in done.stderr


def test_the_lock_names_every_package_that_the_scripts_load() -> None:
    lock = json.loads((MODEL / "renv.lock").read_text())
    scripts = "\n".join(file.read_text() for file in MODEL.glob("*.R"))
    loaded = set(re.findall(r"^library\((\S+)\)", scripts, re.MULTILINE))
    assert loaded
    assert loaded == set(lock["Packages"])
