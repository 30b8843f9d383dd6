"""Files of periods as other programs write them: read rightly, or refused; never misread."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from ci.cli.run import run
from tests.unit.test_drift_edges import Checks, analysis, checks, of, reference

__all__ = ["checks"]
PARQUET = "evaluation/analysis.parquet"


def parquet(checks: Checks, table: pd.DataFrame) -> dict[str, Any]:
    """The check of an analysis period that pandas wrote, index and all."""
    checks.rules(analysis=PARQUET)
    (folder := checks.repository.model_dir("small") / "evaluation").mkdir(exist_ok=True)
    table.to_parquet(folder.parent / PARQUET)
    return checks.drift(reference(), analysis())


def test_the_index_of_a_parquet_file_gives_no_row_anothers_prediction(checks: Checks) -> None:
    table = analysis()
    table["promoted"] = table["promoted"].astype(object).where(table.index != 4)
    wanted = parquet(checks, table)
    assert "; 1 breaks the contract and has no prediction" in wanted["period"]
    for written in (table.set_index(table.index[::-1] + 9), table.set_index("day")):
        found = parquet(checks, written)
        assert found["period"] == wanted["period"]
        assert found["performance"] == wanted["performance"]


def test_infinite_numbers_are_counted_as_what_the_contract_forbids(checks: Checks) -> None:
    table = analysis()
    table.loc[::20, "price"] = float("inf")
    found = checks.drift(reference(), table)
    assert of(found, "price", "forbidden_values")["alert"]
    assert "; 21 break the contract and have no prediction" in found["period"]


def test_an_infinite_outcome_is_refused(checks: Checks) -> None:
    table = analysis()
    table.loc[7, "actual"] = float("inf")
    error = checks.drift(reference(), table)["error"]
    assert "target actual has a value that is no number" in error["message"]


@pytest.mark.parametrize("most", [400, 1_000_000])
def test_rows_with_more_cells_than_the_header_are_refused(
    checks: Checks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("ci.monitor.sample.MOST_ROWS", most)
    folder = checks.repository.model_dir("small") / "evaluation"
    folder.mkdir()
    reference().to_csv(folder / "reference.csv", index=False)
    header, *lines = analysis().to_csv(index=False).splitlines()
    (folder / "analysis.csv").write_text("\n".join([header, *(f"{line}," for line in lines)]))
    assert run(["drift", "small", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_table"
    assert "analysis.csv: its rows have more cells than its header has names" in error["message"]


def test_gaps_in_pandas_own_nullable_types_are_gaps(checks: Checks) -> None:
    plain = analysis()
    plain.loc[[3, 5], ["price", "actual"]] = None
    plain.loc[[4, 6], "shelf"] = None
    wanted = parquet(checks, plain)
    nullable = plain.astype({"price": "Float64", "actual": "Float64", "shelf": "string"})
    found = parquet(checks, nullable)
    assert found["features"] == wanted["features"]
    assert found["performance"] == wanted["performance"]
