"""Batch scoring while it is killed, run twice, out of disk, and its input changes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pacsv

from ci.errors import MlopsError
from ci.score import score_with
from tests.support.scoring import calls, rows, servable_in, start, write_servable

ROWS = 1_010_000
PIECES = ROWS // 10_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "in.csv"
    rows(ROWS).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    servable = write_servable(folder)
    for name in ("out.csv", "out.parquet"):
        score_with(servable, source, folder / name, folder / "state")
    assert (folder / "out.csv").read_bytes().count(b"\n") == ROWS + 1
    return {name: (folder / name).read_bytes() for name in ("out.csv", "out.parquet")}


def finished_parts(folder: Path) -> int:
    return len(list((folder / "state" / "score").glob("*/*/[0-9]*.json")))


def kill_after(process: subprocess.Popen[str], folder: Path, parts: int) -> None:
    """SIGKILL once so many parts are finished."""
    limit = time.monotonic() + 120
    while finished_parts(folder) < parts:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.005)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_killed_again_and_again_it_ends_as_if_undisturbed(
    source: Path, expected: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    write_servable(tmp_path)
    for parts in (1, 3, 5):
        kill_after(start(tmp_path, source, tmp_path / name), tmp_path, parts)
        assert not (tmp_path / name).exists()
    done = score_with(servable_in(tmp_path), source, tmp_path / name, tmp_path / "state")
    assert done.rows == ROWS
    assert (tmp_path / name).read_bytes() == expected[name]
    assert calls(tmp_path) < 2 * PIECES  # each run goes on, none begins again
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "contract.json",
        "model",
        name,
        "state",
    ]
    assert finished_parts(tmp_path) == 0


def test_a_damaged_part_is_scored_again(
    source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    write_servable(tmp_path)
    target = tmp_path / "out.csv"
    kill_after(start(tmp_path, source, target), tmp_path, 2)
    [first] = (tmp_path / "state" / "score").glob("*/*/000000.csv")
    os.truncate(first, first.stat().st_size // 2)
    score_with(servable_in(tmp_path), source, target, tmp_path / "state")
    assert target.read_bytes() == expected["out.csv"]


def test_another_input_or_model_begins_again(source: Path, tmp_path: Path) -> None:
    changed = tmp_path / "in.csv"
    changed.write_bytes(source.read_bytes())
    write_servable(tmp_path)
    target = tmp_path / "out.csv"
    kill_after(start(tmp_path, changed, target), tmp_path, 2)
    text = changed.read_bytes()
    changed.write_bytes(text.replace(b",top\n", b",bot\n", 1))
    servable = servable_in(tmp_path)
    servable.predict_file.write_text(servable.predict_file.read_text().replace("/ 3", "/ 5"))
    score_with(servable, changed, target, tmp_path / "state")
    lines = target.read_text().splitlines()
    assert len(lines) == ROWS + 1
    assert sum(",bot," in line for line in lines) == 1
    x, y = (float(lines[1].split(",")[place]) for place in (1, -1))
    assert y == x * 2.0 / 5


def test_an_input_that_changes_meanwhile_is_refused(source: Path, tmp_path: Path) -> None:
    changed = tmp_path / "in.csv"
    changed.write_bytes(source.read_bytes()[: 1 << 20].rpartition(b"\n")[0] + b"\n")
    servable = write_servable(tmp_path)
    code = servable.predict_file.read_text()
    grow = f"    open({str(changed)!r}, 'a').write('9,1,top\\n')\n"
    servable.predict_file.write_text(code.replace("    print", f"{grow}    print"))
    with pytest.raises(MlopsError, match="was changed while it was read"):
        score_with(servable, changed, tmp_path / "out.csv", tmp_path / "state")
    assert not (tmp_path / "out.csv").exists()


def test_a_second_run_of_one_output_is_refused(source: Path, tmp_path: Path) -> None:
    servable = write_servable(tmp_path)
    first = start(tmp_path, source, tmp_path / "out.csv")
    while not finished_parts(tmp_path):
        assert first.poll() is None, first.communicate()
        time.sleep(0.005)
    with pytest.raises(MlopsError, match="Another `mlops score` is writing") as caught:
        score_with(servable, source, tmp_path / "out.csv", tmp_path / "state")
    assert caught.value.code == "busy"
    output, problem = first.communicate()
    assert first.returncode == 0, problem
    assert json.loads(output)["rows"] == ROWS


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    write_servable(tmp_path)
    target = tmp_path / "out.csv"
    target.write_text("what was there")
    # Room for the parts and none for the whole.
    limit = len(expected["out.csv"]) // 2
    output, problem = start(tmp_path, source, target, limit).communicate()
    assert output == ""
    assert problem.splitlines()[-1].startswith(f"bad_output: {target} can't be written (")
    assert "goes on from the last finished part" in problem
    assert target.read_text() == "what was there"
    asked = calls(tmp_path)
    assert asked == PIECES
    score_with(servable_in(tmp_path), source, target, tmp_path / "state")
    assert calls(tmp_path) == asked
    assert target.read_bytes() == expected["out.csv"]


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz", "in.parquet"])
def test_memory_does_not_grow_with_rows(source: Path, tmp_path: Path, name: str) -> None:
    """Three times the rows, 60 MB more on disk; what has to be in memory is there after one."""
    peaks = []
    for times in (1, 3):
        folder = tmp_path / str(times)
        write_servable(folder)
        write_times(source, times, folder / name)
        target = folder / name.replace("in", "out")
        output, problem = start(folder, folder / name, target).communicate()
        assert output, problem
        assert json.loads(output)["rows"] == times * ROWS
        peaks.append(json.loads(output)["peak_kib"] / 1024)
    assert peaks[1] < peaks[0] + 72, peaks
    assert peaks[1] < 512


def write_times(source: Path, times: int, path: Path) -> None:
    """The rows of ``source`` so many times; of Parquet all in one row group."""
    header, _, body = source.read_bytes().partition(b"\n")
    if path.suffix == ".parquet":
        table = pa.concat_tables([pacsv.read_csv(source)] * times)
        pq.write_table(table, path, row_group_size=table.num_rows)
        return
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(header + b"\n" + body * times)
