"""The segmentation learns from the training weeks only; on made-up purchases, with real Julia."""

from __future__ import annotations

import random
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

MODEL = Path(__file__).parents[2] / "models" / "customer-segmentation"
SMALL = {"restarts": 2, "resamples": 2, "bootstrap": 5}
LAST_TRAINING_WEEK = 36

PRODUCTS = """product_id,manufacturer_id,department,brand,product_category,product_type,package_size
1,1,PRODUCE,National,APPLES,APPLES GALA,
2,1,GROCERY,Private,"BEANS, DRY",BEANS,1 LB
3,1,GROCERY,National,SOUP,"SOUP ""RED"", BIG",10 OZ
4,1,FUEL,National,COUPON/MISC ITEMS,GASOLINE-REG UNLEADED,
"""
HEADER = (
    "household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,"
    "coupon_match_disc,week,transaction_timestamp"
)

Line = tuple[int, int, int, float]
"""Household, week, product, dollars."""


def purchases(seed: int) -> list[Line]:
    """About 70 households of different means and tastes in weeks 2 to 53."""
    rng = random.Random(seed)  # noqa: S311 - made-up purchases, no secret
    lines: list[Line] = []
    for household in range(1, 71):
        budget = 4.0 * 1.06**household
        tastes = [rng.random() for _ in range(3)]
        for week in range(2, 54):
            for product, taste in zip((1, 2, 3), tastes, strict=True):
                if rng.random() < 0.7:
                    dollars = round(budget * taste * rng.uniform(0.5, 1.5), 2)
                    lines.append((household, week, product, dollars))
    return lines


def transactions(lines: list[Line]) -> str:
    rows = [HEADER]
    for household, week, product, dollars in lines:
        day = date(2017, 1, 2) + timedelta(weeks=week - 2, days=household % 6)
        basket = household * 100 + week
        rows.append(
            f"{household},1,{basket},{product},1,{dollars},0.0,0.0,0.0,{week},{day} 12:00:00"
        )
    return "\n".join(rows) + "\n"


def prepared(root: Path, lines: list[Line]) -> Path:
    """A copy of the model's folder, its first stage run on ``lines``."""
    tables = root / "data" / "complete-journey" / "tables"
    tables.mkdir(parents=True)
    (tables / "transactions.csv").write_text(transactions(lines))
    (tables / "products.csv").write_text(PRODUCTS)
    (tables / "demographics.csv").write_text("household_id,age\n1,65+\n2,\n")
    folder = root / "models" / MODEL.name
    folder.mkdir(parents=True)
    for file in [*MODEL.glob("*.jl"), *MODEL.glob("*.toml")]:
        shutil.copy(file, folder)
    run(folder, "prepare.jl", params()["prepare"])
    return folder


def trained(root: Path, lines: list[Line]) -> Path:
    folder = prepared(root, lines)
    horizon = {"horizon_weeks": params()["prepare"]["horizon_weeks"]}
    run(folder, "train.jl", params()["train"] | SMALL | horizon)
    return folder


def params() -> dict[str, dict[str, int]]:
    loaded: dict[str, dict[str, int]] = yaml.safe_load((MODEL / "params.yaml").read_text())
    return loaded


def run(folder: Path, script: str, values: dict[str, int]) -> None:
    words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    command = ["julia", "--startup-file=no", "--project=.", script, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def artifact(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in (folder / "artifact").iterdir()}
    assert files
    return files


def scaled(lines: list[Line], first_week: int, last_week: int) -> list[Line]:
    """The purchases of some weeks taken away for odd households, and tripled for even ones."""
    return [
        (household, week, product, dollars if not first_week <= week <= last_week else 3 * dollars)
        for household, week, product, dollars in lines
        if household % 2 == 0 or not first_week <= week <= last_week
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("plain"), purchases(1))


def test_rows_after_the_training_weeks_do_not_change_the_artifact(
    plain: Path, tmp_path: Path
) -> None:
    later = trained(tmp_path, scaled(purchases(1), LAST_TRAINING_WEEK + 1, 53))
    assert artifact(later) == artifact(plain)
    assert (later / "metrics.json").read_bytes() != (plain / "metrics.json").read_bytes()


def test_the_last_training_week_changes_the_artifact(plain: Path, tmp_path: Path) -> None:
    edited = trained(tmp_path, scaled(purchases(1), LAST_TRAINING_WEEK, LAST_TRAINING_WEEK))
    assert artifact(edited) != artifact(plain)


def test_fuel_and_the_one_day_week_are_left_out(plain: Path, tmp_path: Path) -> None:
    extra: list[Line] = [(household, week, 4, 50.0) for household in (1, 2) for week in (20, 40)]
    extra += [(3, 1, 1, 500.0)]
    folder = prepared(tmp_path, purchases(1) + extra)
    for name in ("prepared/train.csv", "evaluation/holdout.csv", "evaluation/analysis.csv"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes(), name


def test_missing_shares_get_a_segment(plain: Path) -> None:
    script = """
        include("predict.jl")
        shares = Union{Missing,Float64}[missing, 0.2]
        rows = (
            spend_12_weeks = [0.0, 0.0], spend_trend = [0.0, 0.0], spend_per_week = [0.0, 0.0],
            typical_week_spend = [0.0, 0.0], visits_12_weeks = Int32[0, 0],
            recency_days = Int32[100, 100], share_fresh = shares, share_private_brand = shares,
        )
        print(join(predict_rows(load_model("artifact"), rows), " "))
    """
    command = ["julia", "--startup-file=no", "-e", script]
    done = subprocess.run(command, cwd=plain, capture_output=True, text=True, check=True)
    assert done.stdout == "occasional occasional"
