"""New rows from each kind of source, and what each does when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ci.cli.run import run
from ci.repository import Repository
from ci.storage import http
from tests.support.repositories import new_repository
from tests.support.storage import bucket, postgres
from tests.support.web import web

OLD = pd.DataFrame({"id": ["0001", "0002"], "amount": [1.5, 2.5], "shop": ["Nord", "Süd"]})
NEW = pd.concat([OLD, OLD.assign(id=["0003", "0004"], amount=[3.25, 4])])
TABLE = NEW.to_csv(index=False).encode()
Refresh = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A dataset `sales` of two rows."""
    folder = tmp_path_factory.mktemp("sources")
    made = new_repository(folder / "repository")
    OLD.to_csv(folder / "sales.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.root)
        assert run(["data", "add", str(folder / "sales.csv"), "--name", "sales"]) == 0
    return made


@pytest.fixture
def refresh(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refresh:
    monkeypatch.chdir(repository.root)
    contract = repository.data_dir / "sales" / "dataset.yaml"

    def call(**source: str) -> dict[str, Any]:
        rules = yaml.safe_load(contract.read_text())
        rules["tables"]["sales"]["columns"] = {
            "id": {"type": "string"},
            "amount": {"type": "number", "minimum": 0, "maximum": 100},
            "shop": {"type": "string"},
        }
        rules["refresh"] = {"source": source}
        contract.write_text(yaml.safe_dump(rules, sort_keys=False))
        capsys.readouterr()
        run(["data", "refresh", "sales", "--json"])
        return dict(json.loads(capsys.readouterr().out))

    return call


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with web(TABLE) as found:
        yield found


def here(repository: Repository) -> dict[str, bytes]:
    folder = repository.data_dir / "sales" / "tables"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_rows_from_each_source_are_one_version(
    refresh: Refresh,
    repository: Repository,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    spoken = NEW.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    (share / "excel.csv").write_bytes(spoken.encode("cp1252"))
    first = refresh(folder=str(share))
    assert (first["new"], first["rows_before"], first["rows"]) == (True, 2, 4)
    made = here(repository)
    assert (
        pd.read_csv(
            repository.data_dir / "sales/tables/sales.csv", dtype={"id": str}
        ).values.tolist()
        == NEW.values.tolist()
    )
    for name in ("good.csv", "moved.csv", "packed.csv.gz", "on-the-way.csv.gz"):
        assert refresh(http=f"{address}/{name}")["new"] is False
    with bucket(tmp_path, monkeypatch) as storage:
        for name, part in (("a.csv", NEW[:1]), ("b.csv", NEW[1:])):
            with storage.open_output_stream(f"shop/in/{name}") as file:
                file.write(part.to_csv(index=False).encode())
        assert refresh(s3="s3://shop/in")["new"] is False
        assert (
            "There is nothing at s3://shop/out" in refresh(s3="s3://shop/out")["error"]["message"]
        )
    with postgres("shop") as database:
        values = ", ".join(f"('{i}', {a}, '{s}')" for i, a, s in NEW.values.tolist())
        database.ask(
            "CREATE TABLE sales AS SELECT * FROM (VALUES "  # noqa: S608 (our own rows)
            f"{values}) AS v (id, amount, shop)"
        )
        query = "SELECT shop, id, amount::float8 FROM sales ORDER BY id"
        assert refresh(postgresql=database.address(), query=query)["new"] is False
        refused = refresh(postgresql=database.address(), query="SELECT shop, id FROM sales")
        assert "column amount: the column is missing" in refused["error"]["message"]
    assert here(repository) == made


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.csv", "gone.csv could not be read: the server answered 404 Not Found;"),
        ("cut.csv", "cut.csv could not be read: the answer was cut off;"),
        ("silent.csv", "silent.csv could not be read: the server did not answer in time;"),
        ("stalls.csv", "stalls.csv could not be read: the server did not answer in time;"),
        ("circle.csv", "circle.csv could not be read: Exceeded 30 redirects;"),
        ("login.csv", "login.csv can't be read: it is a web page, such as one to log in on"),
        ("export", "export is no table; save it as .csv"),
    ],
)
def test_an_address_that_gives_no_table_is_one_sentence(
    refresh: Refresh,
    repository: Repository,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    says: str,
) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", (60, 1))
    before = here(repository)
    said = refresh(http=f"{address}/{name}")["error"]["message"]
    assert says in said
    assert said.startswith(f"{address}/")
    assert "\n" not in said
    assert here(repository) == before
    assert not list((repository.state_dir / "incoming").glob("*"))


def test_a_server_that_is_not_there_is_one_sentence(refresh: Refresh) -> None:
    said = refresh(http="http://127.0.0.1:9/x.csv")["error"]["message"]
    assert "x.csv could not be read: no server could be reached there" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 and so on", "it is an Excel workbook"),
        (TABLE[:-9], "has 2 cells where the header has 3"),
        (TABLE.replace(b"amount", b"Amount "), "the table calls it 'Amount', so rename one"),
        (TABLE.replace(b"3.25", b"much"), "column amount: 1 row: no number"),
        (TABLE.replace(b"3.25", b"325"), "column amount: 1 row: above the maximum 100"),
    ],
)
def test_a_bad_file_is_refused_and_named_by_its_source(
    refresh: Refresh, repository: Repository, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "week.csv").write_bytes(content)
    before = here(repository)
    said = refresh(folder=str(tmp_path / "share"))["error"]["message"]
    assert says in said
    assert "input.csv" not in said
    assert here(repository) == before
