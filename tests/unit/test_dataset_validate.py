"""Data that breaks its contract: which column, which rule, how many rows, three examples."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.cli.run import run
from ci.contract.dataset import Dataset
from ci.dataset.ready import ensure_valid
from ci.dataset.validate import validate
from ci.dataset.violation import Violation
from ci.errors import MlopsError
from ci.repository import Repository

COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer", "minimum": 1},
    "who": {"type": "string", "pii": True, "missing": 0.5},
    "spend": {"type": "number", "maximum": 10, "unit": "EUR", "missing": 0.5},
    "shop": {"type": "string", "categories": ["north", "south"]},
    "day": {"type": "timestamp"},
    "member": {"type": "boolean"},
}
GOOD = (
    "id,who,spend,shop,day,member\n1,anna,1.5,north,2024-01-31,true\n2,,,south,2024-02-01,False\n"
)


def contract(
    columns: dict[str, dict[str, Any]] = COLUMNS,
    key: tuple[str, ...] = ("id",),
    file: str = "t.csv",
) -> dict[str, Any]:
    personal = any(rules.get("pii") for rules in columns.values())
    return {
        **dict.fromkeys(("description", "source", "licence", "retention"), "x"),
        "name": "d",
        "owner": "team",
        "pii": "direct" if personal else "none",
        "tables": {"t": {"file": file, "key": list(key), "columns": columns}},
    }


def broken(folder: Path, content: str | bytes, **changes: Any) -> list[Violation]:
    data = contract(**changes)
    path = folder / data["tables"]["t"]["file"]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return validate(Dataset.model_validate(data), folder)


def summary(violations: list[Violation]) -> list[tuple[str | None, str, int]]:
    return [(v.column, v.rule, v.rows) for v in violations]


def test_good_data_breaks_nothing(tmp_path: Path) -> None:
    assert broken(tmp_path, GOOD) == []
    assert broken(tmp_path, GOOD.replace("1.5", "10")) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0,a,1,north,2024-01-01,true", ("id", "minimum", 1)),
        ("3,a,10.01,north,2024-01-01,true", ("spend", "maximum", 1)),
        ("3,a,1,west,2024-01-01,true", ("shop", "categories", 1)),
        ("3,a,1,,2024-01-01,true", ("shop", "missing", 1)),
        ("3.5,a,1,north,2024-01-01,true", ("id", "type", 1)),
        ("007,a,1,north,2024-01-01,true", ("id", "type", 1)),
        ("99999999999999999999,a,1,north,2024-01-01,true", ("id", "type", 1)),
        ("3,a,nan,north,2024-01-01,true", ("spend", "type", 1)),
        ("3,a,inf,north,2024-01-01,true", ("spend", "type", 1)),
        ("3,a,1e999,north,2024-01-01,true", ("spend", "type", 1)),
        ('3,a,"1,5",north,2024-01-01,true', ("spend", "type", 1)),
        ("3,a,1,north,2024-02-30,true", ("day", "type", 1)),
        ("3,a,1,north,31.01.2024,true", ("day", "type", 1)),
        ("3,a,1,north,2024-01-01,yes", ("member", "type", 1)),
        ("1,a,1,north,2024-01-01,true", ("id", "unique", 1)),
        ("3,a,1,north", (None, "cells", 1)),
        ("3,a,1,north,2024-01-01,true,1", (None, "cells", 1)),
    ],
)
def test_each_rule_names_its_column_and_counts(
    tmp_path: Path, line: str, expected: tuple[str | None, str, int]
) -> None:
    assert summary(broken(tmp_path, f"{GOOD}{line}\n")) == [expected]


def test_columns_that_are_missing_or_unknown_are_named(tmp_path: Path) -> None:
    found = broken(tmp_path, GOOD.replace("member", "membr"))
    assert summary(found) == [("member", "missing_column", 0), ("membr", "unknown_column", 0)]


@pytest.mark.parametrize(
    ("content", "rule", "said"),
    [
        (GOOD.splitlines()[0] + "\n", "no_rows", "no rows"),
        ("", "file", "can't be read"),
        ("\ufeff" + GOOD, "file", "byte-order mark"),
        (GOOD.replace("anna", "anä").encode("latin-1"), "file", "UTF"),
        (GOOD.replace("who", "id"), "file", "'id' is there twice"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(
    tmp_path: Path, content: str | bytes, rule: str, said: str
) -> None:
    (violation,) = broken(tmp_path, content)
    assert violation.rule == rule
    assert said in violation.sentence()


def test_a_missing_file_and_a_false_parquet(tmp_path: Path) -> None:
    dataset = Dataset.model_validate(contract())
    assert [v.rule for v in validate(dataset, tmp_path)] == ["file"]
    (violation,) = broken(tmp_path, "PAR1 not really", file="t.parquet")
    assert violation.rule == "file"


def test_an_allowed_share_of_missing_values_is_allowed_and_no_more(tmp_path: Path) -> None:
    columns = {"x": {"type": "integer", "missing": 0.25}, "y": {"type": "integer"}}
    one = broken(tmp_path, "x,y\n1,1\n,1\n2,1\n3,1\n", columns=columns, key=())
    assert one == []
    two = broken(tmp_path, "x,y\n1,1\n,1\n,1\n3,1\n", columns=columns, key=())
    assert summary(two) == [("x", "missing", 2)]
    assert "50 % of all where 25 % may be" in two[0].sentence()


def test_examples_are_three_rows_with_their_numbers_and_without_personal_data(
    tmp_path: Path,
) -> None:
    bad = "".join(f"{n},secret{n},1,west,2024-01-01,true\n" for n in range(3, 9))
    (violation,) = broken(tmp_path, GOOD + bad)
    assert [example["row"] for example in violation.examples] == [3, 4, 5]
    assert violation.examples[0]["id"] == "3"
    sentence = violation.sentence()
    assert sentence.startswith(
        "Bad data in d/t, column shop: 6 rows: none of the categories north, south"
    )
    assert "row 3: shop=west, id=3" in sentence
    assert "secret" not in sentence


def test_ragged_rows_do_not_show_personal_data(tmp_path: Path) -> None:
    (violation,) = broken(tmp_path, GOOD + "3,secret\n")
    assert "secret" not in violation.sentence()


def test_row_numbers_go_on_over_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    rows = 900_000
    table = pd.DataFrame({"id": np.arange(1, rows + 1), "text": "a somewhat longer text"})
    table.loc[rows - 1, "id"] = 5
    table.loc[rows - 2, "id"] = -5
    columns = {"id": {"type": "integer", "minimum": 1}, "text": {"type": "string"}}
    found = broken(tmp_path, table.to_csv(index=False), columns=columns)
    assert summary(found) == [("id", "minimum", 1), ("id", "unique", 1)]
    assert found[0].examples[0]["row"] == rows - 1
    assert found[1].examples == [{"row": rows, "same as row": 5, "id": 5}]


def test_a_key_of_several_columns_with_missing_values(tmp_path: Path) -> None:
    columns = {
        "a": {"type": "string", "missing": 1},
        "b": {"type": "number", "missing": 1},
        "c": {"type": "boolean", "missing": 1},
    }
    content = "a,b,c\nx,1,true\nx,1,false\nx,,true\n,1,true\n,,\nx,1.0,True\n,,\n"
    (violation,) = broken(tmp_path, content, columns=columns, key=("a", "b", "c"))
    assert (violation.rule, violation.rows) == ("unique", 2)
    assert [(e["row"], e["same as row"]) for e in violation.examples] == [(6, 1), (7, 5)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.sampled_from(["", "a", "b", "ab"])),
        min_size=1,
        max_size=60,
    )
)
def test_repeated_keys_are_counted_as_pandas_counts_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]
) -> None:
    table = pd.DataFrame(rows, columns=["n", "s"])
    columns = {"n": {"type": "integer"}, "s": {"type": "string", "missing": 1}}
    found = broken(
        tmp_path_factory.mktemp("keys"), table.to_csv(index=False), columns=columns, key=("n", "s")
    )
    assert sum(violation.rows for violation in found) == int(table.duplicated().sum())


def test_gzip_and_parquet_are_held_to_the_same_rules(tmp_path: Path) -> None:
    assert broken(tmp_path, gzip.compress(GOOD.encode()), file="t.csv.gz") == []
    table = pd.DataFrame(
        {"id": [1, 2], "x": [0.5, float("nan")], "t": pd.to_datetime(["2024-01-01"] * 2)}
    )
    table.to_parquet(tmp_path / "t.parquet")
    columns: dict[str, dict[str, Any]] = {
        "id": {"type": "integer", "minimum": 2},
        "x": {"type": "number", "missing": 0.5},
        "t": {"type": "string"},
    }
    dataset = Dataset.model_validate(contract(columns=columns, file="t.parquet"))
    assert summary(validate(dataset, tmp_path)) == [("id", "minimum", 1), ("t", "type", 2)]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for folder in ("policies", ".dvc", "data/d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/d/dataset.yaml").write_text(yaml.safe_dump(contract(), sort_keys=False))
    (tmp_path / "data/d/t.csv").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return Repository(tmp_path)


def test_the_command_says_so_and_exits_with_one(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "validate", "d"]) == 0
    assert "keeps its contract" in capsys.readouterr().out
    (repository.data_dir / "d/t.csv").write_text(GOOD.replace("1.5", "11"))
    assert run(["data", "validate", "d"]) == 1
    assert "column spend: 1 row: above the maximum 10 EUR" in capsys.readouterr().out
    assert run(["data", "validate", "d", "--json"]) == 1
    (violation,) = json.loads(capsys.readouterr().out)
    assert (violation["column"], violation["rule"], violation["rows"]) == ("spend", "maximum", 1)
    assert violation["examples"][0]["row"] == 1


def test_an_unknown_dataset_exits_with_one_and_no_name_with_two(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "validate", "x", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unknown_dataset"
    assert run(["data", "validate"]) == 2


def test_data_is_checked_again_when_it_or_its_contract_has_changed(repository: Repository) -> None:
    table, rules = repository.data_dir / "d/t.csv", repository.data_dir / "d/dataset.yaml"
    ensure_valid(repository, "d")
    table.write_text(GOOD.replace("1.5", "11"))
    with pytest.raises(MlopsError, match="column spend: 1 row"):
        ensure_valid(repository, "d")
    table.write_text(GOOD)
    ensure_valid(repository, "d")
    rules.write_text(rules.read_text().replace("maximum: 10", "maximum: 1"))
    with pytest.raises(MlopsError, match="above the maximum 1 EUR"):
        ensure_valid(repository, "d")


def test_unchanged_data_is_not_read_again(repository: Repository) -> None:
    table = repository.data_dir / "d/t.csv"
    ensure_valid(repository, "d")
    times = (table.stat().st_atime_ns, table.stat().st_mtime_ns)
    table.write_text(GOOD.replace("1.5", "999"))  # of the same size, and then dated back
    os.utime(table, ns=times)
    ensure_valid(repository, "d")
