"""How the shipped datasets are made: always the same bytes, and nothing from the future."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"


def load(script: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(script).stem, DATA / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ingest = load("complete-journey/ingest.py")
build = load("household-spend/build.py")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    table = pd.DataFrame(
        {
            "n": range(5),
            "word": ["x", None, "Ä b", "", "z"],
            "time": pd.to_datetime(["2017-01-01 11:53:26"] * 5),
        }
    )
    table.to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def test_tables_are_plain_csv_whatever_the_batches(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (
        "n,word,time\n0,x,2017-01-01 11:53:26\n1,,2017-01-01 11:53:26\n"
        "2,Ä b,2017-01-01 11:53:26\n3,,2017-01-01 11:53:26\n4,z,2017-01-01 11:53:26\n"
    )
    monkeypatch.setattr(ingest, "ROWS_PER_BATCH", 2)
    ingest.write_table(source, tmp_path / "out.csv")
    ingest.write_table(source, tmp_path / "out.csv.gz")
    assert (tmp_path / "out.csv").read_text() == expected
    packed = (tmp_path / "out.csv.gz").read_bytes()
    assert gzip.decompress(packed).decode() == expected
    assert packed[4:8] == b"\0\0\0\0"  # the time in the header
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.parquet",
        "out.csv",
        "out.csv.gz",
    ]


def test_a_value_that_needs_quotes_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"word": ["a,b"]}).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(ValueError, match="quot"):
        ingest.write_table(tmp_path / "in.parquet", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_another_version_of_the_package_is_other_data() -> None:
    ingest.check_version(ingest.VERSION)
    with pytest.raises(SystemExit, match=r"0\.2\.0 is installed"):
        ingest.check_version("0.2.0")


def line(household: int, week: int, spend: float, **changes: object) -> dict[str, object]:
    day = pd.Timestamp("2017-01-02") + pd.Timedelta(weeks=week - 2, days=2)
    base = {
        **{"household_id": household, "basket_id": week, "product_id": 1, "quantity": 1},
        **{"sales_value": spend, "retail_disc": 0.5, "coupon_disc": 0.0, "week": week},
        **{"day": day, "private_value": 0.0},
    }
    return {**base, **changes}


PAST = [
    line(1, 2, 8.0, private_value=8.0),
    line(1, 6, 3.0, coupon_disc=1.0),
    line(1, 9, 2.0, product_id=2, quantity=4),
    line(2, 3, 5.0),
]
FEATURES = [
    *("visits_4w", "visits_8w", "spend_4w", "spend_8w", "items_4w", "products_4w"),
    *("discount_4w", "coupons_4w", "days_since_visit", "private_share_8w"),
]


def test_features_are_of_the_four_and_eight_weeks_before_the_end() -> None:
    table = build.period(pd.DataFrame(PAST), 9).set_index("household_id")
    assert list(table["period_end"]) == ["2017-02-27"] * 2
    assert table.loc[1, FEATURES].tolist() == [
        2,
        2 + 1,
        5.0,
        13.0,
        5,
        2,
        1.0,
        1,
        5,
        round(8 / 13, 4),
    ]
    assert table.loc[2, FEATURES].tolist() == [0, 1, 0.0, 5.0, 0, 0, 0.0, 0, 47, 0.0]


def test_the_future_changes_the_target_and_no_feature() -> None:
    future = [line(1, 10, 7.0), line(1, 13, 1.5), line(1, 14, 99.0), line(3, 11, 4.0)]
    before = build.period(pd.DataFrame(PAST), 9)
    after = build.period(pd.DataFrame(PAST + future), 9)
    assert before["next_spend"].tolist() == [0.0, 0.0]
    assert after["next_spend"].tolist() == [8.5, 0.0]
    pd.testing.assert_frame_equal(before[FEATURES], after[FEATURES])
    assert after["household_id"].tolist() == [1, 2]  # 3 had not bought yet
