"""What a business reader opens after a batch, as a page and as a spreadsheet."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from ci import console
from ci.score import Scored, score_with
from tests.support.repositories import contract
from tests.support.scoring import INPUT, rows, write_model, write_servable

LABELS = """\
import numpy as np


def load_model(directory):
    return np.array(["low <spend>", "high"], dtype=object)


def predict(model, rows):
    return model[(rows["x"] > 40).to_numpy().astype(int)]
"""


def score_twice(folder: Path, factor: float) -> tuple[str, Scored]:
    """Score the same rows, and then with their x as many times larger; the second page."""
    servable = write_servable(folder, id_columns=["id"], max_bad_rows=5)
    table = rows(30_000)
    for name, times in (("first", 1.0), ("second", factor)):
        table.assign(x=table["x"] * times).to_csv(folder / f"{name}.csv", index=False)
        source, target = folder / f"{name}.csv", folder / f"{name}-out.csv"
        done = score_with(servable, source, target, folder / "state")
    assert done.report
    return Path(done.report).read_text(), done


def text_of(page: str) -> str:
    return re.sub(r"<[^>]+>", " ", page)


def test_the_page_says_what_when_how_many_and_how_it_changed(tmp_path: Path) -> None:
    page, _ = score_twice(tmp_path, 1.5)
    text = text_of(page)
    assert "All 30,000 rows were scored by version 3." in text
    assert re.search(r"The mean of y is [\d.]+ dollars, 50\.0% more than last time", text)
    assert re.search(r"Last time\s+\d{4}-\d\d-\d\d, \d\d:\d\d UTC: 30,000 rows by version 3", text)
    assert "second.csv" in text
    assert page.count("<svg") == 1
    assert page.count("<rect") > 20
    assert "The rows with the highest y" in text
    assert "http" not in page  # it opens without a network
    table = rows(30_000).assign(x=lambda each: each["x"] * 1.5)
    by_x = table.sort_values("x")["id"]
    assert by_x.iloc[-1] in text
    assert by_x.iloc[0] in text


def test_a_first_run_and_the_same_run_again_compare_with_nothing(tmp_path: Path) -> None:
    page, _ = score_twice(tmp_path, 1.0000001)
    assert "the same as last time" in page
    servable = write_servable(tmp_path / "alone")
    rows(100).to_csv(tmp_path / "in.csv", index=False)
    for _ in range(2):
        source, target = tmp_path / "in.csv", tmp_path / "alone.csv"
        done = score_with(servable, source, target, tmp_path / "alone" / "state")
        assert done.report
        page = Path(done.report).read_text()
        assert "no earlier run is known here" in page
        assert "than last time" not in page


def test_labels_are_counted_and_nothing_in_them_is_markup(tmp_path: Path) -> None:
    rules = contract(
        "labels",
        task="segmentation",
        input=INPUT,
        output={"segment": {"type": "string"}},
        evaluation={
            "holdout": "a.csv",
            "target": "t",
            "metric": "spend_explained",
            "unit": "u",
            "baselines": {"b": "c"},
        },
    )
    servable = write_model(tmp_path, LABELS, rules)
    table = rows(1000)
    table.to_csv(tmp_path / "in.csv", index=False)
    done = score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    assert done.report
    page = Path(done.report).read_text()
    assert "<spend>" not in page
    share = (table["x"] <= 40).mean()
    assert f"The most frequent segment is low &lt;spend&gt;, in {share:.1%} of the rows." in page
    assert "The rows with the highest" not in page


def test_the_spreadsheet_has_the_same_with_charts_and_no_formulas(tmp_path: Path) -> None:
    servable = write_servable(tmp_path, max_bad_rows=5)
    table = rows(500)
    table["id"] = '=HYPERLINK("x")'
    table.loc[7, "x"] = -1
    table.to_csv(tmp_path / "in.csv", index=False)
    done = score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    assert done.spreadsheet
    with zipfile.ZipFile(done.spreadsheet) as book:
        names = book.namelist()
        sheets = [book.read(name).decode() for name in names if "worksheets/sheet" in name]
        texts = book.read("xl/sharedStrings.xml").decode()
    assert len(sheets) == 3
    assert sum("charts/chart" in name for name in names) == 1
    said = "499 rows were scored by version 3. 1 row breaks the contract and was set aside."
    assert said in texts
    greatest = f"{table['x'].max()}<"
    assert f"<v>{greatest}" in sheets[2], "a number sorts as one"
    assert greatest not in texts
    assert "=HYPERLINK" in texts
    assert not any("<f>" in sheet for sheet in sheets)


def test_a_report_that_can_not_be_written_leaves_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servable = write_servable(tmp_path)
    rows(10).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "reports").write_text("no folder")
    done = score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    assert (done.rows, done.report) == (10, None)
    assert (tmp_path / "out.csv").exists()
    assert "its report could not be" in capsys.readouterr().err


@pytest.mark.parametrize("live", [False, True])
def test_progress_shows_rows_a_second_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], live: bool
) -> None:
    clock = iter([0.0, 5.0, 20.0, 21.0, 40.0])
    monkeypatch.setattr("ci.console.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr.isatty", lambda: live, raising=False)
    with console.progress("rows", 5000, before=1000) as advance:
        advance(500)
        advance(1500)
        advance(1000)
        advance(1000)
    shown = capsys.readouterr().err
    # 2,000 of the 3,000 rows done are this run's, in 20 s.
    assert "3,000 of 5,000 rows (60%), 100/s, 0:20 left" in shown
    assert ("█" in shown, "\r" in shown) == (live, live)
    assert shown.count("\n") == (1 if live else 2)
