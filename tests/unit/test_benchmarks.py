from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.results import Result, table, write
from tests.support.repositories import new_repository

QUICK = Result("frames", "R, 1 row there and back", 0.5, 0.25, "ms")
SLOW = Result("scaling", "mlops plan", 4.5, 1.5, "s", limit=2)


def test_the_table_holds_each_figure_and_marks_a_missed_limit() -> None:
    heading, quick, slow = table([QUICK, SLOW]).splitlines()
    assert heading.split()[:3] == ["benchmark", "case", "measured"]
    assert quick.split("  ")[-1] == "2.00"
    assert slow.endswith("under 2 MISSED")
    assert "MISSED" not in quick
    assert quick.index("2.00") == slow.index("3.00") == heading.index("ratio")


@pytest.mark.parametrize(("measured", "missed"), [(1.9, False), (2.1, False), (2.3, True)])
def test_a_limit_is_missed_only_by_more_than_a_tenth(measured: float, missed: bool) -> None:
    assert Result("scaling", "plan", measured, 1.0, "s", limit=2).missed is missed


@pytest.mark.parametrize(("measured", "missed"), [(0.95, False), (0.85, False), (0.8, True)])
def test_so_is_a_least_ratio(measured: float, missed: bool) -> None:
    result = Result("batch", "R", measured, 1.0, "rows/s", least=0.9)
    assert result.missed is missed
    assert "at least 0.9" in table([result])


def test_the_json_holds_results_ratios_and_the_machine(tmp_path: Path) -> None:
    write(tmp_path / "bench" / "bench.json", [SLOW], {"cores": 2})
    found = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert found["machine"] == {"cores": 2}
    [result] = found["results"]
    assert (result["benchmark"], result["measured"], result["unit"]) == ("scaling", 4.5, "s")
    assert result["ratio"] == 3
    assert result["missed"] is True


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "frames, batch, scaling, drift, pull-request" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "code"), [(QUICK, 0), (SLOW, 1)])
def test_a_run_prints_writes_and_says_whether_a_limit_was_missed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    result: Result,
    code: int,
) -> None:
    monkeypatch.chdir(new_repository(tmp_path).root)
    monkeypatch.setitem(BENCHMARKS, "frames", lambda: [result])
    assert main(["frames"]) == code
    assert result.case in capsys.readouterr().out
    found = json.loads((tmp_path / ".mlops" / "bench" / "bench.json").read_text())
    assert [each["case"] for each in found["results"]] == [result.case]
    assert found["machine"]["cores"] > 0
    assert {"python", "r", "julia", "dvc"} <= set(found["machine"]["versions"])
