"""`mlops data add`: a file becomes a dataset, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ci.cli.run import run
from ci.contract.dataset import load_dataset
from ci.fingerprint import recorded_digest
from ci.repository import Repository
from tests.support.repositories import commit_all, git, new_repository

CUSTOMERS = "Kunden-Nr;Name;Umsatz;Filiale;PLZ\r\n" + "".join(
    f"{n};Müller {n};{n},50;{'Süd' if n % 2 else 'Nord'};0{n + 1000}\r\n" for n in range(1, 41)
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = new_repository(tmp_path / "repository")
    (repository.root / ".dvcignore").write_text(".mlops\n")
    commit_all(repository.root)
    monkeypatch.chdir(repository.root)
    return repository


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kunden.csv"
    path.write_bytes(CUSTOMERS.encode("cp1252"))
    return path


def dvc(repository: Repository, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(
        command, cwd=repository.root, check=True, capture_output=True, text=True
    ).stdout


def leftovers(repository: Repository) -> list[Path]:
    incoming = repository.state_dir / "incoming"
    return [*repository.data_dir.iterdir(), *(incoming.iterdir() if incoming.exists() else [])]


def test_a_german_export_becomes_a_tracked_dataset(
    repository: Repository, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["data", "add", str(file), "--name", "kunden", "--owner", "marketing", "--json"]) == 0
    )
    result = json.loads(capsys.readouterr().out)
    columns = ["Kunden-Nr", "Name", "Umsatz", "Filiale", "PLZ"]
    assert (result["name"], result["path"], result["rows"]) == ("kunden", "data/kunden", 40)
    assert result["columns"] == columns

    table = repository.data_dir / "kunden/tables/kunden.csv"
    content = table.read_bytes()
    assert content.startswith(
        "Kunden-Nr,Name,Umsatz,Filiale,PLZ\n1,Müller 1,1.50,Süd,01001\n".encode()
    )

    dataset = load_dataset(repository, "kunden")
    rules = dataset.tables["kunden"].columns
    assert (dataset.owner, dataset.pii) == ("marketing", "direct")
    types = [rules[column].type for column in columns]
    assert types == ["integer", "string", "number", "string", "string"]
    assert rules["Filiale"].categories == ["Nord", "Süd"]
    assert (rules["Umsatz"].minimum, rules["Umsatz"].maximum) == (0, 100)
    assert rules["Name"].pii
    text = (repository.data_dir / "kunden/dataset.yaml").read_text()
    assert text.startswith("# Inferred from the data")

    assert (
        recorded_digest(repository.root, "data/kunden/tables/kunden.csv")
        == hashlib.md5(content, usedforsecurity=False).hexdigest()
    )
    status = git(repository.root, "status", "--short", "-uall").split()[1::2]
    assert status == [
        "data/kunden/dataset.yaml",
        "data/kunden/tables/.gitignore",
        "data/kunden/tables/kunden.csv.dvc",
    ]
    assert json.loads(dvc(repository, "status", "--json")) == {}
    assert run(["data", "validate", "kunden"]) == 0

    commit_all(repository.root)
    table.unlink()
    dvc(repository, "checkout")
    assert table.read_bytes() == content


def test_times_with_a_zone_are_kept_in_utc(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["2026-03-08T01:30:00-06:00,2026-03-08T07:30Z", "NA,2026-03-08 10:00:00.25+0100"]
    odd = ["2026-03-08T03:30:00-05:00,2026-03-08 11:00:00+02"]
    (tmp_path / "tills.csv").write_text("\n".join(["local,other", *rows, *odd]) + "\n")
    assert run(["data", "add", str(tmp_path / "tills.csv"), "--name", "tills", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    said = "Column local: times with a zone, such as 2026-03-08T01:30:00-06:00 in row 1, are kept"
    assert f"{said} in UTC." in notes
    rules = load_dataset(repository, "tills").tables["tills"].columns
    assert [rules[name].type for name in ("local", "other")] == ["timestamp", "timestamp"]
    table = pd.read_csv(repository.data_dir / "tills/tables/tills.csv")
    assert table["local"].fillna("").tolist() == ["2026-03-08 07:30:00", "", "2026-03-08 08:30:00"]
    moments = pd.to_datetime(table["other"], format="ISO8601").tolist()
    assert moments == [pd.Timestamp(f"2026-03-08 {at}") for at in ("07:30", "09:00:00.25", "09:00")]


@pytest.mark.parametrize(
    ("cells", "dates", "said"),
    [
        (["05-02-2026", "13-02-2026"], ["2026-02-05", "2026-02-13"], "day first"),
        (["5/2/2026", "2/13/2026"], ["2026-05-02", "2026-02-13"], "month first"),
        (["05.02.2026", "1.12.2026 9:05"], ["2026-02-05", "2026-12-01 09:05"], "day first"),
        (["2026/2/5 23:59:59", ""], ["2026-02-05 23:59:59", ""], "year first"),
    ],
)
def test_dates_as_a_shop_writes_them_are_read_where_the_column_proves_which_they_are(
    repository: Repository,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    cells: list[str],
    dates: list[str],
    said: str,
) -> None:
    (tmp_path / "tills.csv").write_text("".join(f"{each},1\n" for each in ["day", *cells]))
    assert run(["data", "add", str(tmp_path / "tills.csv"), "--name", "tills"]) == 0
    assert f"were read with the {said}" in capsys.readouterr().out
    assert load_dataset(repository, "tills").tables["tills"].columns["day"].type == "timestamp"
    lines = (repository.data_dir / "tills/tables/tills.csv").read_text().splitlines()
    assert lines[1:] == [f"{each},1" for each in dates]


@pytest.mark.parametrize(
    "cells", [["13/02/2026", "02/13/2026"], ["05/02/2026"], ["13.02.26"], ["13/02/2026", "soon"]]
)
def test_dates_of_which_nothing_tells_the_day_stay_text(
    repository: Repository, tmp_path: Path, cells: list[str]
) -> None:
    text = "".join(f"{each},1\n" for each in ["day", *cells])
    (tmp_path / "tills.csv").write_text(text)
    assert run(["data", "add", str(tmp_path / "tills.csv"), "--name", "tills"]) == 0
    assert load_dataset(repository, "tills").tables["tills"].columns["day"].type == "string"
    assert (repository.data_dir / "tills/tables/tills.csv").read_text() == text


@pytest.mark.parametrize(
    "cell", ["31.02.2026", "2026-13-01T10:00:00Z", "9999-12-31T23:00:00-05:00"]
)
def test_a_day_that_does_not_exist_is_refused(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    other = "2026-12-01T10:00:00Z" if "T" in cell else "01.02.2026"
    (tmp_path / "tills.csv").write_text("".join(f"{each},1\n" for each in ["day", other, cell]))
    assert run(["data", "add", str(tmp_path / "tills.csv"), "--name", "tills"]) == 1
    said = f"tills.csv can't be read: column day holds {cell} in row 2, which is no day."
    assert said in capsys.readouterr().err
    assert leftovers(repository) == []


def test_times_with_and_without_a_zone_stay_text(repository: Repository, tmp_path: Path) -> None:
    text = "at\n2026-03-08T01:30:00Z\n2026-03-08T01:30:00\n"
    (tmp_path / "tills.csv").write_text(text)
    assert run(["data", "add", str(tmp_path / "tills.csv"), "--name", "tills"]) == 0
    assert load_dataset(repository, "tills").tables["tills"].columns["at"].type == "string"
    assert (repository.data_dir / "tills/tables/tills.csv").read_text() == text


def test_parquet_becomes_csv_that_every_language_reads(
    repository: Repository, tmp_path: Path
) -> None:
    table = pd.DataFrame(
        {
            "n": pd.array([1, None], "Int64"),
            "x": [0.1, float("nan")],
            "t": ['with "quotes", and commas', "line\nbreak"],
            "d": pd.to_datetime(["2024-01-31", "2024-02-01"]),
            "b": [True, False],
        }
    )
    table.to_parquet(tmp_path / "in.parquet")
    assert run(["data", "add", str(tmp_path / "in.parquet"), "--name", "mixed"]) == 0
    written = (repository.data_dir / "mixed/tables/mixed.csv").read_text()
    assert written == (
        "n,x,t,d,b\n"
        '1,0.1,"with ""quotes"", and commas",2024-01-31,true\n'
        ',,"line\nbreak",2024-02-01,false\n'
    )
    types = [c.type for c in load_dataset(repository, "mixed").tables["mixed"].columns.values()]
    assert types == ["integer", "number", "string", "timestamp", "boolean"]


@pytest.mark.parametrize("name", ["../x", "Kunden", "a_b", "-a", "a--b", "", "x" * 51, "a/b"])
def test_a_bad_name_is_refused_with_the_rule(
    repository: Repository, file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "add", str(file), "--name", name, "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_name"
    assert "lower-case letters, digits and single hyphens" in error["message"]
    assert leftovers(repository) == []


def test_an_existing_dataset_is_left_alone(
    repository: Repository, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = repository.data_dir / "kunden" / "dataset.yaml"
    mine.parent.mkdir()
    mine.write_text("name: kunden\n")
    assert run(["data", "add", str(file), "--name", "kunden", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dataset_exists"
    assert [path.name for path in mine.parent.iterdir()] == ["dataset.yaml"]
    assert mine.read_text() == "name: kunden\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [("a;b\n1.234;x\n", "may have a decimal sign"), ("a,b\n1,2\n3\n", "cells"), ("", "empty")],
)
def test_a_file_that_can_not_be_read_changes_nothing(
    repository: Repository,
    tmp_path: Path,
    content: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in.csv").write_text(content)
    assert run(["data", "add", str(tmp_path / "in.csv"), "--name", "sales"]) == 1
    assert said in capsys.readouterr().err
    assert leftovers(repository) == []


def test_when_dvc_fails_nothing_is_left(
    repository: Repository, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.root / ".dvc/cache").touch()  # a file where DVC needs a folder
    assert run(["data", "add", str(file), "--name", "kunden", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "dvc_failed"
    assert "Not a directory" in error["message"]
    assert leftovers(repository) == []
    (repository.root / ".dvc/cache").unlink()
    assert run(["data", "add", str(file), "--name", "kunden"]) == 0


def test_a_command_that_is_killed_leaves_no_dataset_and_can_be_run_again(
    repository: Repository, file: Path
) -> None:
    command = [sys.executable, "-c", "from ci.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "data", "add", str(file), "--name", "kunden"],
        cwd=repository.root,
        start_new_session=True,
    )
    incoming = repository.state_dir / "incoming/kunden/kunden/tables"
    while not (incoming.is_dir() and list(incoming.iterdir())) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(repository.data_dir.iterdir()) == []
    assert run(["data", "add", str(file), "--name", "kunden"]) == 0
    assert leftovers(repository) == [repository.data_dir / "kunden"]


def test_the_contract_written_is_yaml_with_whole_numbers(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("week,share\n1,0.25\n53,\n")
    assert run(["data", "add", str(tmp_path / "in.csv"), "--name", "weeks"]) == 0
    data = yaml.safe_load((repository.data_dir / "weeks/dataset.yaml").read_text())
    assert data["tables"]["weeks"] == {
        "file": "tables/weeks.csv",
        "columns": {
            "week": {"type": "integer", "minimum": 0, "maximum": 100},
            "share": {"type": "number", "minimum": 0, "maximum": 1, "missing": 0.75},
        },
    }
