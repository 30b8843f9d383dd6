"""`mlops data refresh`: declared rows become the next version, or nothing changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ci.cli.run import run
from ci.contract.dataset import DatasetColumn, Table
from ci.dataset.changes import compare, in_words
from ci.repository import Repository
from tests.support.repositories import commit_all, new_repository

DOORS = [
    "postgresql://shop:hunter2@db.example/shop",
    "postgresql://db.example/shop?user=shop&password=hunter2",
    "mysql://shop:or@hunter2@db.example/shop",
]
ROWS = pd.DataFrame(
    {
        "receipt": [f"r{number:03}" for number in range(200)],
        "shop": ["north", "south"] * 100,
        "amount": [number % 40 + 0.5 for number in range(200)],
    }
)
Refresh = Callable[..., dict[str, Any]]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A dataset `sales` whose new rows come from the folder `share`."""
    found = new_repository(tmp_path / "repository")
    monkeypatch.chdir(found.root)
    ROWS.to_csv(tmp_path / "sales.csv", index=False)
    assert run(["data", "add", str(tmp_path / "sales.csv"), "--name", "sales"]) == 0
    contract = found.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    columns = rules["tables"]["sales"]["columns"]
    rules["tables"]["sales"]["key"] = ["receipt"]
    columns["amount"] = {"type": "number", "minimum": 0, "maximum": 100, "missing": 0.1}
    columns["receipt"] = {"type": "string"}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    (tmp_path / "share").mkdir()
    commit_all(found.root)
    return found


@pytest.fixture
def refresh(repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refresh:
    contract = repository.data_dir / "sales" / "dataset.yaml"

    def call(**rules: Any) -> dict[str, Any]:
        text = yaml.safe_load(contract.read_text())
        text["refresh"] = {"source": {"folder": str(tmp_path / "share")}, **rules}
        contract.write_text(yaml.safe_dump(text, sort_keys=False))
        capsys.readouterr()
        run(["data", "refresh", "sales", "--json"])
        return dict(json.loads(capsys.readouterr().out))

    return call


def tracked(repository: Repository) -> dict[str, bytes]:
    folder = repository.data_dir / "sales" / "tables"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_how_each_file_was_read_is_in_the_answer_and_in_the_words(
    refresh: Refresh, tmp_path: Path
) -> None:
    spoken = pd.DataFrame({"receipt": ["nø1"], "shop": ["north"], "amount": [1.5]})
    share = tmp_path / "share"
    spoken.to_csv(share / "a.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    said = [
        "The file is not UTF-8; it was read as Windows-1252 (Latin-1).",
        "Columns are separated by semicolons.",
        "Column amount has decimal commas.",
    ]
    alone = refresh()
    assert alone["notes"] == said
    spoken.assign(receipt="n2").to_csv(share / "b.csv", index=False)
    both = refresh()
    assert both["notes"] == [f"a.csv: {each}" for each in said]
    for name in ("b", "c", "d", "e"):
        spoken.assign(receipt=name).to_csv(share / f"{name}.csv", index=False, sep=";")
    many = refresh()["notes"]
    assert [each for each in many if "semicolons" in each] == [f"All 5 files: {said[1]}"]
    spoken.assign(receipt="f").to_csv(share / "f.csv", index=False)
    some = f"a.csv, b.csv, c.csv and 2 more: {said[1]}"
    assert [each for each in refresh()["notes"] if "semicolons" in each] == [some]


@pytest.mark.parametrize("files", [1, 2])
def test_dates_as_the_shared_drive_has_them(
    refresh: Refresh, repository: Repository, tmp_path: Path, files: int
) -> None:
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    rules["tables"]["sales"]["columns"]["day"] = {"type": "timestamp", "missing": 0.5}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))

    def week(*days: str) -> None:
        table = ROWS.iloc[: len(days)].assign(day=days)
        for number in range(files):
            put(tmp_path, table.iloc[number::files], f"{number}.csv")

    def found() -> list[str]:
        path = repository.data_dir / "sales" / "tables" / "sales.csv"
        return sorted(pd.read_csv(path)["day"].dropna())

    week("02/03/2026", "25/03/2026", "01/03/2026", "NA")
    answer = refresh()
    assert answer["cleaned"] == {"values of day read with the day first": 3}
    assert found() == ["2026-03-01", "2026-03-02", "2026-03-25"]

    week("01/04/2026", "02/04/2026")
    before = tracked(repository)
    said = refresh()["error"]["message"]
    assert "01/04/2026 in row 1, column day, may be one of two days" in said
    assert "dates: {day: day_first}, or month_first" in said
    assert tracked(repository) == before
    assert refresh(clean={"dates": {"day": "day_first"}})["new"]
    assert found() == ["2026-04-01", "2026-04-02"]

    week("04/25/2026", "04/05/2026")
    assert "no timestamp" in refresh(clean={"dates": {"day": "day_first"}})["error"]["message"]
    assert found() == ["2026-04-01", "2026-04-02"]
    wrong = refresh(clean={"dates": {"amount": "day_first"}})["error"]["message"]
    assert "refresh reads dates in amount, which is no timestamp" in wrong


@pytest.mark.parametrize("files", [1, 2])
def test_times_with_a_zone_are_the_moments_that_are_here(
    refresh: Refresh, repository: Repository, tmp_path: Path, files: int
) -> None:
    path = repository.data_dir / "sales" / "tables" / "sales.csv"
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    rules["tables"]["sales"]["columns"]["sold_at"] = {"type": "timestamp"}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    days = pd.date_range("2026-11-01", periods=4, freq="h", tz="UTC")
    old = ROWS.iloc[:4].assign(sold_at=days.strftime("%Y-%m-%d %H:%M:%S"))
    old.to_csv(tmp_path / "share" / "old.csv", index=False)
    first = refresh(mode="replace")
    assert first.get("rows") == 4, first
    (tmp_path / "share" / "old.csv").unlink()
    shown = [str(day) for day in days.tz_convert("America/Chicago")]  # the clock goes back then
    again = ROWS.iloc[:5].assign(sold_at=[*shown, "2026-11-02T06:00:00Z"])
    for number in range(files):
        put(tmp_path, again.iloc[number::files], f"{number}.csv")
    answer = refresh(mode="append")
    cleaned = {"values of sold_at in UTC": 5, "rows that were here already": 4}
    assert (answer["rows"], answer["cleaned"]) == (5, cleaned)
    assert pd.read_csv(path)["sold_at"].iloc[-1] == "2026-11-02 06:00:00"


def put(tmp_path: Path, table: pd.DataFrame, name: str = "week.csv") -> None:
    table.to_csv(tmp_path / "share" / name, index=False)


def test_new_rows_are_cleaned_as_declared_and_become_a_version(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    new = pd.DataFrame(
        {
            "shop": ["north", "north", "south", "south"],
            "amount": [1999, 250, 999_900, 100],  # cents; one is a slip
            "receipt": ["r198", "n1", "n2", "n1"],
        }
    )
    put(tmp_path, new)
    clean = {
        "units": {"amount": 0.01},
        "outliers": {"amount": {"maximum": 100}},
        "duplicates": "drop",
    }
    done = refresh(mode="append", clean=clean)
    assert "error" not in done, done
    assert (done["new"], done["rows_before"], done["rows"]) == (True, 200, 202)
    assert done["cleaned"] == {
        "values of amount times 0.01": 4,
        "values of amount taken out, out of range": 1,
        "duplicate rows dropped": 2,
    }
    table = pd.read_csv(repository.data_dir / "sales" / "tables" / "sales.csv")
    assert table.iloc[:200].equals(ROWS)
    assert table["receipt"].tolist()[200:] == ["n1", "n2"]
    assert table["amount"].tolist()[200] == 2.5
    assert pd.isna(table["amount"].tolist()[201])
    (amount,) = (each for each in done["changes"] if each["column"] == "amount")
    assert amount["after"]["missing"] == pytest.approx(1 / 202)
    status = [sys.executable, "-m", "dvc", "status", "-q"]
    assert subprocess.run(status, cwd=repository.root, check=False).returncode == 0

    version = tracked(repository)
    again = refresh(mode="append", clean=clean)
    assert (again["new"], again["rows"]) == (False, 202)
    assert tracked(repository) == version


def test_rows_that_were_added_are_not_added_again(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    new = pd.DataFrame({"amount": [2.5], "receipt": ["n1"], "shop": ["north"]})
    put(tmp_path, new)
    assert refresh(mode="append")["rows"] == 201
    put(tmp_path, pd.concat([new, new.assign(receipt="n2")]))
    again = refresh(mode="append")
    assert (again["new"], again["rows"]) == (True, 202)
    assert again["cleaned"] == {"rows that were here already": 1}
    assert refresh(mode="append")["new"] is False
    put(tmp_path, new.assign(amount=3))
    assert "the same receipt as an earlier row" in refresh(mode="append")["error"]["message"]


def test_the_new_rows_are_those_behind_what_is_kept_of_the_old_ones(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    """Rows that repeat others are here already, and duplicates are dropped from now on."""
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    del rules["tables"]["sales"]["key"]
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    put(tmp_path, pd.concat([ROWS, ROWS.iloc[:150]]))
    assert refresh(mode="replace")["rows"] == 350
    put(tmp_path, ROWS.iloc[:160].assign(receipt=[f"n{number}" for number in range(160)]))
    done = refresh(mode="append", clean={"duplicates": "drop"})
    assert (done["rows_before"], done["rows"]) == (350, 360)
    assert {change["added"]["rows"] for change in done["changes"]} == {160}


def test_the_first_version_needs_nobody_who_pushes(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    folder = repository.data_dir / "sales" / "tables"
    shutil.rmtree(folder)
    put(tmp_path, ROWS)
    done = refresh(mode="append")
    assert (done["new"], done["rows_before"], done["rows"]) == (True, 0, 200)
    assert done["changes"] == []
    assert set(tracked(repository)) == {".gitignore", "sales.csv", "sales.csv.dvc"}
    assert (folder / ".gitignore").read_text() == "/sales.csv\n"


def test_a_reading_that_was_killed_before_its_record_is_done_again(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    folder = repository.data_dir / "sales" / "tables"
    record = (folder / "sales.csv.dvc").read_bytes()
    put(tmp_path, ROWS.iloc[:150])
    refresh()
    made = (folder / "sales.csv.dvc").read_bytes()
    (folder / "sales.csv.dvc").write_bytes(record)
    assert refresh()["new"] is True
    assert (folder / "sales.csv.dvc").read_bytes() == made


@pytest.mark.parametrize(
    ("factor", "says"),
    [
        (103, "(about 100 times more: **has the unit changed?**)"),
        (0.001, "(about 1,000 times less: **has the unit changed?**)"),
        (2, "range 0.5 to 39.5, now 1 to 79"),
    ],
)
def test_cents_for_dollars_are_asked_about(tmp_path: Path, factor: float, says: str) -> None:
    table = Table(file="sales.csv", columns={"amount": DatasetColumn(type="number")})
    ROWS[["amount"]].to_csv(tmp_path / "before.csv", index=False)
    (ROWS[["amount"]] * factor).to_csv(tmp_path / "after.csv", index=False)
    (line,) = in_words(
        compare(table, tmp_path / "before.csv", tmp_path / "after.csv", None).changes
    )
    assert line.endswith(says)


def test_a_table_that_repeats_itself_has_not_shifted(tmp_path: Path) -> None:
    columns = {"shop": DatasetColumn(type="integer"), "n": DatasetColumn(type="number")}
    table = Table(file="sales.csv", columns=columns)
    for name, count in (("before.csv", 40_000), ("after.csv", 100_000)):
        shops = pd.DataFrame({"shop": range(count)}) % 2
        shops.assign(n=shops["shop"] * (1 if name == "before.csv" else 2)).to_csv(
            tmp_path / name, index=False
        )
    found = compare(table, tmp_path / "before.csv", tmp_path / "after.csv", None)
    shop, other = found.changes
    assert shop.drift is not None
    assert shop.drift < 0.02
    assert other.drift == pytest.approx(0.5, abs=0.02)
    assert not found.same


def test_a_shift_a_range_and_missing_values_are_said(
    refresh: Refresh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ROWS.assign(amount=ROWS["amount"] + 20, shop="south")
    other.loc[:9, "amount"] = None
    put(tmp_path, other)
    done = refresh()
    drift = {each["column"]: each["drift"] for each in done["changes"]}
    shifted = {each["column"] for each in done["changes"] if each["shifted"]}
    assert shifted == {"amount", "shop"}
    assert drift["shop"] == pytest.approx(0.5)
    assert drift["receipt"] == 0
    put(tmp_path, ROWS)
    capsys.readouterr()
    assert run(["data", "refresh", "sales"]) == 0
    said = capsys.readouterr().out
    assert "200 rows, +0 since the version before" in said
    assert "range 20.5 to 59.5, now 0.5 to 39.5; missing 5.00%, now 0.00%" in said


def test_what_is_odd_in_a_week_of_rows_is_said_though_it_drowns_in_the_table(
    refresh: Refresh, repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    rules["tables"]["sales"]["columns"]["till"] = {"type": "integer", "unique": True}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    table = pd.concat([ROWS] * 20, ignore_index=True)
    table["receipt"] = [f"r{number}" for number in range(len(table))]
    table["till"] = range(len(table))
    put(tmp_path, table.iloc[:3900])
    assert refresh(mode="replace")["new"]

    def words(week: pd.DataFrame) -> str:
        put(tmp_path, week)
        capsys.readouterr()
        assert run(["data", "refresh", "sales"]) == 0
        return capsys.readouterr().out

    refresh(mode="append")
    usual = words(table.iloc[3900:])
    assert "4,000 rows, +100 since" in usual
    assert "shifted" not in usual  # the till is another in each row
    odd = table.iloc[3900:].assign(
        receipt=[f"s{number}" for number in range(100)],
        till=range(9000, 9100),
        amount=lambda rows: rows["amount"].where(rows.index % 4 > 0) / 10,
        shop="south",
    )
    said = words(odd)
    assert "- `amount`: **the new rows' values shifted** (drift 0.9" in said
    assert "in the new rows 0.15 to 3.95 (about 10 times less: **has the unit changed?**)" in said
    assert "**missing 25.00% in the new rows**, 0.00% before" in said
    assert "- `shop`: **the new rows' values shifted** (drift 0.50 of 1)" in said


def test_yes_and_no_are_written_in_one_way(
    refresh: Refresh, repository: Repository, tmp_path: Path
) -> None:
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    rules["tables"]["sales"]["columns"]["promo"] = {"type": "boolean", "missing": 0.5}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    put(tmp_path, ROWS.iloc[:4].assign(promo=["true", "false", "", "true"]))
    assert refresh(mode="replace")["new"]
    put(tmp_path, ROWS.iloc[3:6].assign(promo=[True, False, True]))
    assert refresh(mode="append")["rows"] == 6
    table = pd.read_csv(repository.data_dir / "sales/tables/sales.csv", dtype=str)
    assert table["promo"].fillna("").tolist() == ["true", "false", "", "true", "false", "true"]


def test_a_column_that_the_contract_asks_for_from_now_on_comes_in_by_replacing(
    refresh: Refresh, repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = repository.data_dir / "sales" / "dataset.yaml"
    rules = yaml.safe_load(contract.read_text())
    rules["tables"]["sales"]["columns"]["till"] = {"type": "integer"}
    contract.write_text(yaml.safe_dump(rules, sort_keys=False))
    put(tmp_path, ROWS.assign(till=3))
    before = tracked(repository)
    assert "column till: the column is missing" in refresh(mode="append")["error"]["message"]
    assert tracked(repository) == before
    answer = refresh(mode="replace")
    assert {each["column"]: each["new"] for each in answer["changes"]}["till"] is True
    assert run(["data", "validate", "sales"]) == 0
    for name, content in before.items():
        (repository.data_dir / "sales" / "tables" / name).write_bytes(content)
    capsys.readouterr()
    assert run(["data", "refresh", "sales"]) == 0
    assert "- `till`: **it is new**\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "rules", "says"),
    [
        (ROWS.assign(amount=-1.0), {}, "amount"),
        (pd.concat([ROWS, ROWS]), {}, "receipt"),
        (ROWS.drop(columns="shop"), {}, "the column is missing"),
        (ROWS.drop(columns="receipt"), {"clean": {"duplicates": "drop"}}, "column receipt"),
        (ROWS.assign(more=1), {}, "the column is not in the contract"),
        (ROWS.assign(amount="much"), {"clean": {"units": {"amount": 2}}}, "found 'much'"),
        (ROWS.iloc[:0], {}, "it has a header and no rows"),
        (ROWS, {"clean": {"units": {"amuont": 2}}}, "amuont, which is no column of sales"),
        (ROWS, {"source": {"folder": "nowhere"}}, "can't be read"),
        (ROWS, {"source": {"postgresql": DOORS[0], "query": "q"}}, "password"),
    ],
)
def test_what_is_refused_changes_nothing(
    refresh: Refresh,
    repository: Repository,
    tmp_path: Path,
    table: pd.DataFrame,
    rules: dict[str, Any],
    says: str,
) -> None:
    put(tmp_path, table)
    before = tracked(repository)
    answer = refresh(**rules)
    assert says in answer["error"]["message"]
    assert tracked(repository) == before
    assert not list((repository.state_dir / "incoming").glob("*"))


@pytest.mark.parametrize("door", DOORS)
def test_a_password_is_not_said_again(repository: Repository, refresh: Refresh, door: str) -> None:
    message = refresh(source={"postgresql": door, "query": "q"})["error"]["message"]
    assert "postgresql" in message
    assert "hunter2" not in message
