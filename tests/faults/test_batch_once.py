"""A batch from a query into a table, killed on its way, run twice at once, and cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from ci.errors import MlopsError
from ci.repository import Repository
from ci.storage import s3
from ci.storage.fetch import fetch
from tests.support.repositories import contract, new_repository
from tests.support.scoring import INPUT, PREDICT, rows, write_model
from tests.support.storage import Postgres, bucket, postgres

ROOT = Path(__file__).resolve().parents[2]

NAME = "two-thirds"
COUNT = "SELECT count(*), count(DISTINCT id), count(DISTINCT run_key) FROM scores"
WHOLE = ["30000|30000|1"]
PROGRAM = f"""\
import sys
from pathlib import Path

import ci.registry.champion as registry
from ci.cli.run import run
from tests.support.scoring import servable_in

registry.champion = lambda *_: servable_in(Path(sys.argv[1]))
sys.exit(run(["score", "{NAME}", "--json"]))
"""
LOADING = """\
import sys
from datetime import date
import pyarrow as pa
from ci.errors import MlopsError
from ci.storage.postgres import Run, load

batch = pa.record_batch([[1.0] * 50_000], names=["x"])

def batches():
    yield batch
    print("under way", flush=True)
    sys.stdin.readline()
    yield batch

reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
try:
    load(sys.argv[1], sys.argv[2], reader, 100_000, Run("sales-1", "sales", date(2026, 1, 5), 3))
except MlopsError as error:
    sys.exit(f"{error.code}: {error.message}")
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres("shop") as found:
        found.ask(
            "CREATE TABLE items AS SELECT to_char(i, 'FM000000') AS id, i * 0.5::float8 AS x, "
            "'top'::text AS shelf FROM generate_series(1, 30000) AS i"
        )
        yield found


@pytest.fixture
def start(database: Postgres, tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Begins `mlops score` of a batch from the table `items` to the table `scores`."""
    repository = new_repository(tmp_path / "repository")
    (repository.models_dir / NAME).mkdir()
    (repository.models_dir / NAME / "model.yaml").touch()  # the released contract counts
    address = database.address()
    batch = {
        "schedule": "17 5 * * 1",
        "input": {"postgresql": address, "query": "SELECT * FROM items ORDER BY id"},
        "delivery": {"release": False, "postgresql": address, "table": "scores"},
        "id_columns": ["id"],
    }
    write_model(tmp_path / "version", PREDICT, contract(NAME, input=INPUT, batch=batch))
    database.ask("DROP TABLE IF EXISTS scores")

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "version")],
            cwd=repository.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def wait_until(there: Callable[[], object], *running: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 240
    while not there():
        for each in running:
            assert each.poll() is None, each.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)


@contextmanager
def delivery_held(database: Postgres) -> Iterator[None]:
    """While this lasts, whoever delivers to the table `scores` waits."""
    with subprocess.Popen(
        ["psql", database.address(), "-qAt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as psql:
        assert psql.stdin is not None
        assert psql.stdout is not None
        psql.stdin.write("SELECT 'held', pg_advisory_lock(hashtext('mlops scores'));\n")
        psql.stdin.flush()
        assert psql.stdout.readline().startswith("held")
        yield
        psql.stdin.close()


def waiting(database: Postgres) -> int:
    (found,) = database.ask(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    return int(found)


def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return dict(json.loads(out))


def test_killed_on_its_way_and_run_again_every_row_is_there_once(
    database: Postgres, start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    inputs = tmp_path / "repository" / ".mlops" / "score" / NAME / "inputs"
    first = start()
    wait_until(lambda: list(inputs.glob("*/input.parquet")), first)
    first.kill()
    first.communicate()
    with delivery_held(database):
        second = start()
        wait_until(lambda: waiting(database), second)
        second.kill()
        second.communicate()
    assert database.ask("SELECT to_regclass('scores')") == [""]
    third = start()
    wait_until(lambda: database.ask("SELECT to_regclass('scores')") != [""])
    third.kill()  # its rows are there, whether it knows or not
    third.communicate()
    assert database.ask(COUNT) == WHOLE
    answer = ended(start())
    assert "the rows were there before" in str(answer["delivered"])
    assert database.ask(COUNT) == WHOLE


@pytest.mark.long
def test_two_at_once_bring_every_row_once(
    database: Postgres, start: Callable[[], subprocess.Popen[str]]
) -> None:
    with delivery_held(database):
        one = start()
        wait_until(lambda: waiting(database) == 1, one)
        two = start()
        wait_until(lambda: waiting(database) == 2, one, two)
    said = sorted(str(ended(each)["delivered"]).count("there before") for each in (one, two))
    assert said == [0, 1]
    assert database.ask(COUNT) == WHOLE


def test_a_database_that_goes_in_the_middle_keeps_nothing(database: Postgres) -> None:
    command = [sys.executable, "-c", LOADING, database.address(), "cut"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as loading:
        assert loading.stdout is not None
        assert loading.stdout.readline() == "under way\n"
        database.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
        )
        _, said = loading.communicate("\n")
    assert said.startswith("delivery_failed: postgresql://shop@")
    assert "Traceback" not in said
    assert database.ask("SELECT to_regclass('cut')") == [""]
    subprocess.run(command, input="\n", text=True, check=True, stdout=subprocess.DEVNULL)
    assert database.ask("SELECT count(*) FROM cut") == ["100000"]


def test_storage_that_goes_in_the_middle_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ci.contract.source import Source

    repository = Repository(tmp_path)
    source, target = Source(s3="s3://shop/in"), tmp_path / "copy"
    copy = s3._bring
    with bucket(tmp_path, monkeypatch) as storage:
        for name in ("a.csv", "b.csv"):
            with storage.open_output_stream(f"shop/in/{name}") as file:
                file.write(rows(100).to_csv(index=False).encode())

        def gone_after_one(*arguments: Any) -> Path:
            brought = copy(*arguments)
            for process in psutil.Process().children():
                # A child of an earlier test may have ended and wait for its parent to ask.
                if process.status() != psutil.STATUS_ZOMBIE and "moto.server" in process.cmdline():
                    process.kill()
            return brought

        with monkeypatch.context() as patch:
            patch.setattr(s3, "_bring", gone_after_one)
            with pytest.raises(MlopsError, match="s3://shop/in: the storage refused or could not"):
                fetch(source, repository.root, target)
    assert list(target.iterdir()) == []
