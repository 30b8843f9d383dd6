"""Declared batches: from a folder, S3-compatible storage, a query; to files and to a table, once.

PostgreSQL is Debian's; the S3 server is moto's, a real server of the protocol on this machine.
"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import fs

from ci.cli.run import run
from ci.repository import Repository
from tests.support.repositories import contract, new_repository
from tests.support.scoring import INPUT, PREDICT, rows, write_model
from tests.support.storage import Postgres, bucket, postgres
from tests.support.web import web

NAME = "two-thirds"
Score = Callable[..., dict[str, Any]]
LOADING = """\
import sys, time
from datetime import date
import pyarrow as pa
from ci.storage.postgres import Run, load

schema = pa.schema([("id", pa.string()), ("x", pa.float64())])
batch = pa.record_batch([["a"] * 50_000, [1.0] * 50_000], schema=schema)

def batches():
    yield batch
    print("under way", flush=True)
    if sys.argv[2] == "hang":
        time.sleep(600)
    yield batch

reader = pa.RecordBatchReader.from_batches(schema, batches())
load(sys.argv[1], "kept", reader, 100_000, Run("sales-1", "sales", date(2026, 1, 5), 3))
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres("shop") as found:
        yield found


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.S3FileSystem]:
    with bucket(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    found = new_repository(tmp_path / "repository")
    (found.models_dir / NAME).mkdir()
    (found.models_dir / NAME / "model.yaml").touch()  # the released contract counts
    monkeypatch.chdir(found.root)
    return found


@pytest.fixture
def score(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Score:
    """`mlops score` with what is under ``batch`` in the contract; the answer, or the sentence."""

    def call(batch: dict[str, Any], *arguments: str) -> dict[str, Any]:
        rules = contract(NAME, input=INPUT, batch={"schedule": "17 5 * * 1", **batch})
        folder = tmp_path / f"version-{len(list(tmp_path.glob('version-*')))}"
        servable = write_model(folder, PREDICT, rules)
        monkeypatch.setattr("ci.registry.champion.champion", lambda *_: servable)
        code = run(["score", NAME, *arguments, "--json"])
        said = capsys.readouterr()
        if code == 0:
            return dict(json.loads(said.out))
        return {"code": code, "said": json.loads(said.out)["error"]["message"]}

    return call


def share(folder: Path, count: int = 3) -> pd.DataFrame:
    """``count`` files of a shared drive, of different kinds, and what programs leave there."""
    folder.mkdir(parents=True)
    table = rows(900)
    for number in range(count):
        part = table.iloc[number * 900 // count : (number + 1) * 900 // count]
        if number == 1:
            part.to_csv(folder / "b.csv", sep=";", decimal=",", index=False)
        elif number == 2:
            part.to_parquet(folder / "c.parquet", index=False)
        else:
            part.to_csv(folder / f"a{number}.csv", index=False)
    (folder / "~$b.xlsx").touch()
    (folder / "old").mkdir()
    return table


def run_of(answer: dict[str, Any]) -> str:
    return Path(answer["output"]).name.partition(".")[0]


def test_a_folder_of_files_is_one_table_and_its_copy_goes_to_a_folder(
    score: Score, repository: Repository, tmp_path: Path
) -> None:
    table = share(tmp_path / "share")
    batch = {
        "input": {"folder": str(tmp_path / "share")},
        "output": "csv",
        "delivery": {"folder": "out"},
        "id_columns": ["id"],
    }
    answer = score(batch)
    assert "said" not in answer, answer
    (delivered,) = answer["delivered"]
    assert delivered == str(repository.root / "out" / f"{run_of(answer)}.csv")
    out = pd.read_csv(delivered, dtype={"id": str})
    assert out["id"].tolist() == table["id"].tolist()
    assert out["y"].tolist() == pytest.approx((table["x"] * 2 / 3).tolist())
    first = Path(delivered).read_bytes()
    assert score(batch)["delivered"] == [delivered]
    assert Path(delivered).read_bytes() == first
    assert not list((repository.state_dir / "score" / NAME / "inputs").glob("*"))


def test_objects_come_from_storage_and_go_there_as_from_a_folder(
    score: Score, storage: fs.S3FileSystem, tmp_path: Path
) -> None:
    table = share(tmp_path / "share")
    for path in (tmp_path / "share").glob("[abc]*"):
        with storage.open_output_stream(f"shop/in/{path.name}") as file:
            file.write(path.read_bytes())
    delivery = {"s3": "s3://shop/out"}
    answer = score({"input": {"s3": "s3://shop/in"}, "output": "parquet", "delivery": delivery})
    (delivered,) = answer["delivered"]
    with storage.open_input_file(delivered.removeprefix("s3://")) as file:
        out = pd.read_parquet(file)
    assert out["id"].tolist() == table["id"].tolist()
    local = tmp_path / "local.parquet"
    score({"input": "rows.csv"}, "--input", str(tmp_path / "share"), "--output", str(local))
    assert local.read_bytes() == Path(answer["output"]).read_bytes()


def test_a_table_behind_an_address_is_scored_whole_or_not_at_all(
    score: Score, repository: Repository
) -> None:
    table = rows(900)
    delivery = {"folder": "out"}
    with web(table.to_csv(index=False).encode()) as address:
        for name, says in (
            ("cut.csv", "the answer was cut off"),
            ("gone.csv", "404"),
            ("login.csv", "it is a web page"),
        ):
            refused = score({"input": {"http": f"{address}/{name}"}, "delivery": delivery})
            assert says in refused["said"]
            assert refused["said"].startswith(f"{address}/{name}")
        assert not (repository.root / "out").exists()
        answer = score({"input": {"http": f"{address}/moved.csv"}, "delivery": delivery})
        asked = score(
            {"input": "rows.csv"}, "--input", f"{address}/packed.csv.gz", "--output", "given.csv.gz"
        )
    (delivered,) = answer["delivered"]
    out = pd.read_csv(delivered, dtype={"id": str})
    assert out["id"].tolist() == table["id"].tolist()
    assert out["y"].tolist() == pytest.approx((table["x"] * 2 / 3).tolist())
    assert Path(asked["output"]).read_bytes() == Path(delivered).read_bytes()


def test_a_table_of_a_dataset_is_scored_and_comes_from_dvc_where_it_is_not_here(
    score: Score, repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = rows(900)
    table.to_csv(tmp_path / "sales.csv", index=False)
    assert run(["data", "add", str(tmp_path / "sales.csv"), "--name", "sales"]) == 0
    capsys.readouterr()
    (repository.data_dir / "sales" / "tables" / "sales.csv").unlink()
    answer = score({"input": {"dataset": "sales"}})
    assert answer["rows"] == 900, answer
    out = pd.read_csv(answer["output"], dtype={"id": str})
    assert out["y"].tolist() == pytest.approx((table["x"] * 2 / 3).tolist())
    other = score({"input": {"dataset": "sales", "table": "orders"}})
    assert "The dataset sales has the tables sales" in other["said"]
    bad = table.assign(shelf=None)
    bad.to_csv(repository.data_dir / "sales" / "tables" / "sales.csv", index=False)
    assert "column shelf: 900 rows: missing" in score({"input": {"dataset": "sales"}})["said"]


def test_a_query_goes_to_a_table_once_however_often_it_is_asked_for(
    score: Score, database: Postgres
) -> None:
    database.ask(
        "CREATE TABLE items AS SELECT i::text AS id, (i * 1.5)::numeric(10, 2) AS x, "
        "'shelf ' || i % 3 AS shelf FROM generate_series(-1, 1000) AS i"
    )
    batch = {
        "input": {
            "postgresql": database.address(),
            "query": "SELECT * FROM items ORDER BY id::int",
        },
        "delivery": {"release": False, "postgresql": database.address(), "table": "scores"},
        "max_bad_rows": 1,
    }
    first = score(batch)
    assert (first["rows"], first["quarantined"]) == (1001, 1)
    with Path(first["quarantine"]).open() as file:
        (bad,) = csv.DictReader(file)
    assert (bad["row_in_input"], bad["id"]) == ("1", "-1")
    day = datetime.now(UTC).date()
    count = "SELECT count(*), count(DISTINCT id), min(run_key), min(run_day) FROM scores"
    assert database.ask(count) == [f"1001|1001|{run_of(first)}|{day}"]
    kinds = "SELECT data_type FROM information_schema.columns WHERE table_name = 'scores'"
    assert database.ask(f"{kinds} AND column_name = 'y'") == ["double precision"]
    assert database.ask("SELECT y FROM scores WHERE id = '1000'") == ["1000"]

    assert "were there before" in score(batch)["delivered"][0]
    assert database.ask(count) == [f"1001|1001|{run_of(first)}|{day}"]

    database.ask("UPDATE items SET x = x + 3 WHERE id = '1000'")
    second = score(batch)
    assert run_of(second) != run_of(first)
    assert database.ask(count) == [f"1001|1001|{run_of(second)}|{day}"]
    assert database.ask("SELECT y FROM scores WHERE id = '1000'") == ["1002"]


def test_a_load_that_is_killed_leaves_nothing_and_the_next_is_whole(database: Postgres) -> None:
    command = [sys.executable, "-c", LOADING, database.address()]
    with subprocess.Popen([*command, "hang"], stdout=subprocess.PIPE, text=True) as loading:
        assert loading.stdout is not None
        assert loading.stdout.readline() == "under way\n"
        loading.kill()
    assert loading.returncode == -signal.SIGKILL
    assert database.ask("SELECT to_regclass('kept')") == [""]
    for _ in range(2):
        subprocess.run([*command, "go"], check=True, stdout=subprocess.DEVNULL)
        assert database.ask("SELECT count(*) FROM kept") == ["100000"]


def test_two_models_share_a_table_and_a_days_rows_give_way_only_to_their_own(
    database: Postgres,
) -> None:
    for model in ("one", "two"):
        program = LOADING.replace('"kept"', '"shared"').replace('"sales', f'"{model}')
        subprocess.run([sys.executable, "-c", program, database.address(), "go"], check=True)
    counted = database.ask("SELECT run_model, count(*) FROM shared GROUP BY 1 ORDER BY 1")
    assert counted == ["one|100000", "two|100000"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 1 / 0 AS x, 'a' AS shelf", "division by zero"),
        ("DELETE FROM pg_class", "read-only transaction"),
        ("SELECT * FROM nowhere", "does not exist"),
        ("SELECT 1 AS x WHERE false", "it has no rows"),
        ("SELECT 1 AS other", "the column x is missing"),
    ],
)
def test_a_query_that_gives_no_table_is_one_sentence(
    score: Score, database: Postgres, query: str, says: str
) -> None:
    answer = score({"input": {"postgresql": database.address(), "query": query}})
    assert answer["code"] == 1
    assert says in answer["said"]


def test_a_table_with_other_columns_is_left_as_it_was(
    score: Score, database: Postgres, tmp_path: Path
) -> None:
    share(tmp_path / "share")
    database.ask("CREATE TABLE taken (run_key text, run_model text, run_day date, z int)")
    answer = score(
        {
            "input": {"folder": str(tmp_path / "share")},
            "delivery": {"postgresql": database.address(), "table": "taken"},
        }
    )
    assert "PostgreSQL refused" in answer["said"]
    assert database.ask("SELECT count(*) FROM taken") == ["0"]


def _odd(folder: Path) -> None:
    (folder / "notes.xlsx").write_bytes(b"PK")


def _cut_off(folder: Path) -> None:
    whole = (folder / "c.parquet").read_bytes()
    (folder / "c.parquet").write_bytes(whole[: len(whole) // 2])


def _other_columns(folder: Path) -> None:
    rows(10).drop(columns="shelf").to_csv(folder / "d.csv", index=False)


def _nothing(folder: Path) -> None:
    for path in folder.glob("[abc]*"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_odd, "notes.xlsx is no table"),
        (_cut_off, "c.parquet can't be read"),
        (_other_columns, "d.csv: the column shelf is missing"),
        (_nothing, "There is no table in"),
    ],
)
def test_a_folder_that_is_no_table_is_refused_by_name(
    score: Score, repository: Repository, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    share(tmp_path / "share")
    spoil(tmp_path / "share")
    batch = {"input": {"folder": str(tmp_path / "share")}, "delivery": {"folder": "out"}}
    assert says in score(batch)["said"]
    assert not (repository.root / "out").exists()


def test_a_bad_row_of_a_folder_is_named_by_its_file(score: Score, tmp_path: Path) -> None:
    share(tmp_path / "share")
    late = rows(900).iloc[600:].assign(x=lambda table: table["x"].where(table.index != 611))
    late.to_parquet(tmp_path / "share" / "c.parquet", index=False)
    batch = {"input": {"folder": str(tmp_path / "share")}, "delivery": {"folder": "out"}}
    assert "row 612: x must not be missing (row 12 of c.parquet)" in score(batch)["said"]
    allowed = score({**batch, "max_bad_rows": 1})
    quarantine = pd.read_csv(allowed["quarantine"])
    assert quarantine["row_in_input"].tolist() == [612]
    assert quarantine["problem"].tolist() == ["x must not be missing (row 12 of c.parquet)"]


def test_what_is_not_there_or_does_not_answer_is_one_sentence(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = score({"input": {"folder": "nowhere"}})
    assert "nowhere can't be read (No such file or directory)" in gone["said"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    down = score({"input": {"s3": "s3://shop/in"}})
    assert down["said"].startswith("s3://shop/in: the storage refused or could not be reached")
    closed = {"postgresql": f"postgresql:///shop?host={tmp_path}", "query": "SELECT 1"}
    assert "could not be reached" in score({"input": closed})["said"]
    half = score({"input": "rows.csv"}, "--input", "rows.csv")
    assert "--input and --output belong together" in half["said"]


def test_a_run_that_could_not_deliver_goes_on_with_the_rows_that_it_had(
    score: Score, repository: Repository, tmp_path: Path
) -> None:
    share(tmp_path / "share")
    batch = {"input": {"folder": str(tmp_path / "share")}, "delivery": {"folder": "out"}}

    (repository.root / "out").touch()  # where a folder is to be
    assert "out" in score(batch)["said"]
    (repository.root / "out").unlink()
    (tmp_path / "share" / "a0.csv").unlink()
    assert score(batch)["rows"] == 900
    assert score(batch)["rows"] == 600
