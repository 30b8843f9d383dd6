"""Which rows are scored, which are set aside, and what passes through."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from ci.contract.batch import Batch
from ci.errors import MlopsError
from ci.score import Scored, score_with
from tests.support.scoring import rows, write_servable

BAD = (
    "id,x,shelf,note\n"
    '007,1.50,top,"1,234"\n'
    "008,-1,top,\n"
    ",many,,x\n"
    "0009,3,low,1e3\n"
)  # fmt: skip


def score_text(folder: Path, text: str, **batch: object) -> Scored:
    servable = write_servable(folder, **batch)
    (folder / "in.csv").write_text(text)
    return score_with(servable, folder / "in.csv", folder / "out.csv", folder / "state")


def test_bad_rows_are_set_aside_with_every_reason(tmp_path: Path) -> None:
    done = score_text(tmp_path, BAD, max_bad_rows=2, id_columns=["id"])
    assert (done.rows, done.quarantined) == (2, 2)
    assert (tmp_path / "out.csv").read_text() == (
        'id,x,shelf,note,y\n007,1.50,top,"1,234",1\n0009,3,low,1e3,2\n'
    )
    assert done.quarantine == str(tmp_path / "out.quarantine.csv")
    assert Path(done.quarantine).read_text() == (
        "row_in_input,problem,id,x,shelf,note\n"
        "2,\"x must be at least 0, found '-1'\",008,-1,top,\n"
        "3,\"x must be a number, found 'many'; shelf must not be missing; id must not be "
        'missing",,many,,x\n'
    )


def test_a_run_without_bad_rows_removes_the_last_runs_quarantine(tmp_path: Path) -> None:
    servable = write_servable(tmp_path, max_bad_rows=2)
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(BAD)
    assert score_with(servable, source, target, tmp_path / "state").quarantined == 2
    rows(5).to_csv(source, index=False)
    done = score_with(servable, source, target, tmp_path / "state")
    assert (done.rows, done.quarantined, done.quarantine) == (5, 0, None)
    assert not (tmp_path / "out.quarantine.csv").exists()


@pytest.mark.parametrize("limit", [0, 1, 0.49])
def test_more_bad_rows_than_allowed_fail_the_run(tmp_path: Path, limit: float) -> None:
    with pytest.raises(MlopsError, match="row 2: x must be at least 0") as caught:
        score_text(tmp_path, BAD, max_bad_rows=limit)
    assert caught.value.code == "bad_rows"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "contract.json",
        "in.csv",
        "model",
        "state",
    ]


def test_half_of_the_rows_may_be_bad_where_the_contract_says_so(tmp_path: Path) -> None:
    assert score_text(tmp_path, BAD, max_bad_rows=0.5).quarantined == 2


@pytest.mark.parametrize("limit", [-1, 1.5, "many"])
def test_a_limit_is_a_number_of_rows_or_a_share(limit: object) -> None:
    with pytest.raises(ValidationError):
        Batch.model_validate({"schedule": "* * * * *", "input": "a.csv", "max_bad_rows": limit})


def test_all_rows_may_be_bad(tmp_path: Path) -> None:
    done = score_text(tmp_path, "id,x,shelf\n1,-1,top\n2,-1,top\n", max_bad_rows=2)
    assert (done.rows, done.quarantined) == (0, 2)
    assert (tmp_path / "out.csv").read_text() == "id,x,shelf,y\n"


def test_a_declared_id_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="the column household is missing"):
        score_text(tmp_path, BAD, id_columns=["household"])


def test_compressed_csv_goes_in_and_out(tmp_path: Path) -> None:
    servable = write_servable(tmp_path, max_bad_rows=0.1, id_columns=["id"])
    table = rows(25_000)
    table.loc[[3, 20_000], "x"] = -1.0
    table.to_csv(tmp_path / "in.csv", index=False)
    table.to_csv(tmp_path / "in.csv.gz", index=False)
    for source, target in (("in.csv", "a.csv"), ("in.csv.gz", "b.csv.gz"), ("in.csv", "c.csv.gz")):
        score_with(servable, tmp_path / source, tmp_path / target, tmp_path / "state")
    plain = (tmp_path / "a.csv").read_bytes()
    assert plain.count(b"\n") == 24_999
    assert gzip.decompress((tmp_path / "b.csv.gz").read_bytes()) == plain
    assert (tmp_path / "b.csv.gz").read_bytes() == (tmp_path / "c.csv.gz").read_bytes()
    assert (tmp_path / "b.quarantine.csv").read_text().count("\n") == 3


def test_parquet_bad_rows_are_set_aside_too(tmp_path: Path) -> None:
    servable = write_servable(tmp_path, max_bad_rows=2)
    table = rows(100)
    table.loc[[4], "x"] = float("nan")
    table.loc[[9], "shelf"] = "a\0b"
    table.to_parquet(tmp_path / "in.parquet", row_group_size=30)
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    done = score_with(servable, source, target, tmp_path / "state")
    assert (done.rows, done.quarantined) == (98, 2)
    expected = table.drop(index=[4, 9])
    scored = pd.read_parquet(target)
    assert scored["id"].tolist() == expected["id"].tolist()
    assert scored["y"].tolist() == (expected["x"] * 2 / 3).tolist()
    assert pd.read_csv(tmp_path / "out.quarantine.csv")["row_in_input"].tolist() == [5, 10]
