"""What is to be done now: the matrix for the jobs that follow, and words for people."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from ci.cli.steps.batch import _jobs
from ci.cli.steps.matrix import Answer, put_out
from ci.clock.due import Decision


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The outputs and the summary of a step."""
    files = tmp_path / "outputs", tmp_path / "summary"
    for name, file in zip(("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"), files, strict=True):
        monkeypatch.setenv(name, str(file))
    return files


def test_what_is_due_is_a_matrix_and_a_table(
    written: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [Answer("one", True, "due"), Answer("two", False, "it has <b> no data.")]
    put_out("Work", answers, [{"model": "one"}], "Nobody asks.")
    outputs, summary = (file.read_text() for file in written)
    assert json.dumps({"include": [{"model": "one"}]}) in outputs
    assert "\n1\n" in outputs
    assert "| one | yes | due |\n| two | no | it has &lt;b&gt; no data. |" in summary
    assert "Nobody asks" not in summary
    assert capsys.readouterr().out == "one: now: due.\ntwo: not now: it has <b> no data.\n"


def test_where_nobody_asks_that_is_said(written: tuple[Path, Path]) -> None:
    put_out("Work", [], [], "Nobody asks.")
    outputs, summary = (file.read_text() for file in written)
    assert json.dumps({"include": []}) in outputs
    assert summary == "### Work\n\nNobody asks.\n"


def test_a_job_for_each_shard_of_what_is_due() -> None:
    day = date(2026, 1, 5)
    assert _jobs(Decision("one", "r", None, "not due", 3)) == []
    (whole,) = _jobs(Decision("one", "r", day, "due"))
    assert (whole["name"], whole["shard"], whole["artifact"]) == ("one", "1/1", "batch-one")
    shards = _jobs(Decision("one", "r", day, "due", 2))
    assert [each["shard"] for each in shards] == ["1/2", "2/2"]
    assert [each["artifact"] for each in shards] == ["shard-1--one", "shard-2--one"]
    assert {(each["model"], each["language"], each["day"]) for each in shards} == {
        ("one", "r", "2026-01-05")
    }
