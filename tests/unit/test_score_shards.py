"""Shards together are the whole, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.score import Shard, merge_with, score_with
from tests.support.scoring import rows, write_servable

ROWS = 410_000  # three parts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    table = rows(ROWS)
    table.loc[[5, 399_999, 400_003], "x"] = -1.0
    table.to_csv(folder / "in.csv", index=False)
    servable = write_servable(folder, max_bad_rows=3, id_columns=["id"])
    for name in ("out.csv", "out.parquet"):
        score_with(servable, folder / "in.csv", folder / name, folder / "state")
    return folder


def score_shards(whole: Path, folder: Path, name: str, of: int) -> Path:
    servable = write_servable(folder, max_bad_rows=3, id_columns=["id"])
    for number in range(1, of + 1):
        # Each on a machine of its own, so each with a state of its own.
        state = folder / f"state-{number}"
        score_with(servable, whole / "in.csv", folder / name, state, Shard(number, of))
    return folder / name


@pytest.mark.parametrize(("name", "of"), [("out.csv", 2), ("out.csv", 5), ("out.parquet", 3)])
def test_merged_shards_are_the_whole(whole: Path, tmp_path: Path, name: str, of: int) -> None:
    target = score_shards(whole, tmp_path, name, of)
    assert not target.exists()
    done = merge_with("two-thirds", target, tmp_path / "state")
    assert (done.rows, done.quarantined) == (ROWS - 3, 3)
    assert target.read_bytes() == (whole / name).read_bytes()
    quarantine = tmp_path / "out.quarantine.csv"
    assert quarantine.read_bytes() == (whole / "out.quarantine.csv").read_bytes()
    assert done.report
    assert not list(tmp_path.glob("out.*.shard-*"))


def test_a_missing_a_damaged_and_a_foreign_shard_are_named(whole: Path, tmp_path: Path) -> None:
    target = score_shards(whole, tmp_path, "out.csv", 2)
    second = tmp_path / "out.csv.shard-2-of-2"
    shutil.move(second, tmp_path / "kept")
    with pytest.raises(MlopsError, match=r"Rows 200,001 and on of .* in none of the shards"):
        merge_with("two-thirds", target, tmp_path / "state")
    shutil.copytree(tmp_path / "kept", second)
    part = second / "000001.csv"
    part.write_bytes(part.read_bytes().replace(b"top", b"TOP", 1))
    with pytest.raises(MlopsError, match="score the shard that is missing or damaged again"):
        merge_with("two-thirds", target, tmp_path / "state")
    servable = write_servable(tmp_path / "other", max_bad_rows=4)
    score_with(servable, whole / "in.csv", target, tmp_path / "state", Shard(2, 2))
    with pytest.raises(MlopsError, match="not of one input, version and output"):
        merge_with("two-thirds", target, tmp_path / "state")
    with pytest.raises(MlopsError, match="There are no shards of"):
        merge_with("two-thirds", tmp_path / "another.csv", tmp_path / "state")
    assert not target.exists()


def test_bad_rows_are_counted_over_all_shards(whole: Path, tmp_path: Path) -> None:
    servable = write_servable(tmp_path, max_bad_rows=2)
    for number in (1, 2):
        target = tmp_path / "out.csv"
        score_with(servable, whole / "in.csv", target, tmp_path / "state", Shard(number, 2))
    with pytest.raises(MlopsError, match="3 rows break the contract"):
        merge_with("two-thirds", target, tmp_path / "state")
    assert not target.exists()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(MlopsError, match="is no shard; write I/N"):
        Shard.parse(text)
