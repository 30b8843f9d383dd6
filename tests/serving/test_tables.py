"""Bodies that are tables: the same answers as JSON, and a sentence for what is wrong."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from csv import reader as text_rows
from json import loads
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from bentos.answers import RequestError
from bentos.bundle import Bundle
from bentos.frames import Column, Frame
from bentos.replies import JSON, Replies, accepted
from bentos.rows import RowsError
from bentos.tables import ARROW_FILE, ARROW_STREAM, CSV, PARQUET, TABLES, table_frame
from tests.support import services

RULES = services.contract("r")["input"]
ROWS: list[dict[str, Any]] = [
    {"x": 3.5, "n": 1, "mode": "ok"},
    {"x": -4.0, "n": None, "mode": "ok"},
    {"x": 0.0, "n": 2, "mode": "ok"},
]


def body(kind: str, table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    if kind == CSV:
        csv.write_csv(table, sink)
    elif kind == PARQUET:
        parquet.write_table(table, sink, **options)
    else:
        new = pa.ipc.new_stream if kind == ARROW_STREAM else pa.ipc.new_file
        written = pa.ipc.IpcWriteOptions(**options)
        with new(sink, table.schema, options=written) as writer:
            writer.write_table(table)
    return sink.getvalue()


def table_of(rows: list[dict[str, Any]] | None = None, **columns: object) -> pa.Table:
    return pa.Table.from_pylist(rows or ROWS) if not columns else pa.table(columns)


def taken(kind: str, table: pa.Table, most: int = 1000) -> Frame:
    return table_frame(kind, body(kind, table), RULES, most)


def plain(columns: Frame) -> dict[str, list[Any]]:
    return columns.to_lists()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    root = tmp_path_factory.mktemp("tables")
    service = services.serve(services.build_tiny(root, "r"), root / "run")
    service.wait_until_answered()
    yield service
    service.stop()


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_gets_the_same_answer_as_json(running: services.Running, kind: str) -> None:
    json = running.client.post("/predict", json={"rows": ROWS})
    content, headers = body(kind, table_of()), {"content-type": kind}
    table = running.client.post("/predict", content=content, headers=headers)
    assert table.json() == json.json()
    assert json.json()["predictions"] == [8.0, -8.0, 2.0]


def read(kind: str, content: bytes) -> pa.Table:
    if kind == CSV:
        return csv.read_csv(io.BytesIO(content))
    if kind == PARQUET:
        return parquet.read_table(io.BytesIO(content))
    reader = pa.ipc.open_stream if kind == ARROW_STREAM else pa.ipc.open_file
    return reader(content).read_all()


@pytest.mark.parametrize("kind", TABLES)
def test_the_answer_is_a_table_where_accept_asks_for_it(
    running: services.Running, kind: str
) -> None:
    asked = {"accept": f"text/html, {kind};q=0.9, */*;q=0.1"}
    answer = running.client.post("/predict", json={"rows": ROWS}, headers=asked)
    assert answer.headers["content-type"] == kind
    assert read(kind, answer.content).to_pydict() == {"y": [8.0, -8.0, 2.0]}
    assert (answer.headers["x-model"], answer.headers["x-model-version"]) == (
        "tiny-r",
        "candidate",
    )
    wrong = running.client.post("/predict", json={"rows": []}, headers=asked)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_rows")


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (b"", JSON),
        (b"*/*", JSON),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        (b"image/png", JSON),
        (b"application/*", JSON),
        (b"Text/CSV ; header=present", CSV),
        (b"application/json;q=0.5, text/csv;q=0.6", CSV),
        (b"application/json, text/csv", JSON),
        (b"text/csv;q=0, application/json;q=0.1", JSON),
        (b"text/csv;q=0", JSON),
        (b"text/csv;q=nan, text/csv;q=", JSON),
        (b"text/csv;q=inf", CSV),
        (b"\xff;q=\xff,,;;=", JSON),
    ],
)
def test_what_accept_prefers(header: bytes, kind: str) -> None:
    assert accepted(header) == kind


OUTPUTS = {
    "number": Column("float64", np.array([1.5, -0.1])),
    "integer": Column("int32", np.array([1, -(2**31) + 1], np.int32)),
    "boolean": Column("bool", np.array([True, False])),
    "string": Column("utf8", np.array(["", 'Käse, "alt"\n=1'], dtype=object)),
}
VALUES = {name: column.to_list() for name, column in OUTPUTS.items()}


@pytest.fixture
def replies() -> Replies:
    return Replies(Bundle(Path(), {"name": "m"}, {"version": 3}))


@pytest.mark.parametrize("kind", TABLES)
def test_every_type_of_output_keeps_its_values(kind: str, replies: Replies) -> None:
    answer = replies.reply(Frame(OUTPUTS), kind)
    assert answer.media_type == kind.encode()
    if kind == CSV:
        rows = list(text_rows(io.StringIO(answer.body.decode())))
        written = ["1.5", "1", "true", ""], ["-0.1", "-2147483647", "false", VALUES["string"][1]]
        assert rows == [list(OUTPUTS), *written]
    else:
        assert read(kind, answer.body).to_pydict() == VALUES
    assert (b"x-model-version", b"3") in answer.all_headers()


@pytest.mark.parametrize("name", OUTPUTS)
def test_one_output_is_a_value_a_row(name: str, replies: Replies) -> None:
    assert loads(replies.reply(Frame({name: OUTPUTS[name]}), JSON).body) == {
        "predictions": VALUES[name],
        "model": "m",
        "version": 3,
    }


@pytest.mark.parametrize("kind", TABLES)
def test_what_is_no_such_table_is_a_400(running: services.Running, kind: str) -> None:
    for content in (
        b"",
        b"\0" * 100,
        b"PAR1" * 20,
        body(kind, table_of())[:-9] if kind != CSV else b"",
    ):
        answer = running.client.post("/predict", content=content, headers={"content-type": kind})
        assert answer.status_code == 400, (content, answer.text)
        assert answer.json()["error"]["code"] == "invalid_table"


@pytest.mark.parametrize("kind", TABLES)
def test_bad_values_are_named_by_row_and_column(kind: str) -> None:
    bad = [{**ROWS[0], "x": 1000.0}, {**ROWS[0], "n": 3.5}, {**ROWS[0], "mode": "no"}]
    with pytest.raises(RowsError) as caught:
        taken(kind, table_of(bad))
    found = {(each.index, each.column) for each in caught.value.problems}
    assert found == {(0, "x"), (1, "n"), (2, "mode")}


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
@pytest.mark.parametrize("kind", [ARROW_STREAM, ARROW_FILE, PARQUET])
def test_no_number_is_refused(kind: str, value: float | None) -> None:
    with pytest.raises(RowsError, match="row 1, column x"):
        taken(kind, table_of([ROWS[0], {**ROWS[0], "x": value}]))


@pytest.mark.parametrize("kind", [ARROW_STREAM, ARROW_FILE, PARQUET])
def test_other_types_of_the_same_meaning_are_taken(kind: str) -> None:
    table = pa.table(
        {
            "mode": pa.array(["ok", "ok"]).dictionary_encode(),
            "x": pa.array([1, 2], pa.int16()),
            "n": pa.array([1.0, None], pa.float32()),
        }
    )
    found = plain(taken(kind, table))
    assert found == {"x": [1.0, 2.0], "n": [1, None], "mode": ["ok", "ok"]}
    assert list(found) == list(RULES), "in the contract's order"


@pytest.mark.parametrize("kind", TABLES)
def test_shape_is_checked(kind: str) -> None:
    for table, most, words in (
        (table_of().append_column("y", pa.array([1.0] * 3)), 9, "'y' is no column"),
        (table_of(), 2, "There are 3 rows; send at most 2"),
        (table_of().slice(0, 0), 9, "no rows"),
    ):
        with pytest.raises(RequestError, match=words):
            taken(kind, table, most)
    with pytest.raises(RowsError, match="column mode: must not be missing"):
        taken(kind, table_of().drop_columns(["mode"]))
    assert plain(taken(kind, table_of().drop_columns(["n"])))["n"] == [None] * 3


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("kind", [ARROW_STREAM, ARROW_FILE])
def test_a_small_body_does_not_become_a_large_table(kind: str, codec: str) -> None:
    """100,000,000 bytes of one letter fit into a few kilobytes."""
    bomb = pa.table({"x": [1.0], "mode": ["a" * 100_000_000]})
    content = body(kind, bomb, compression=codec)
    assert len(content) < 1_000_000
    with pytest.raises(RequestError, match="becomes larger"):
        table_frame(kind, content, RULES, 1000)
    small = table_frame(kind, body(kind, table_of(), compression=codec), RULES, 1000)
    assert plain(small)["x"] == [3.5, -4.0, 0.0]


def test_a_small_parquet_file_does_not_become_a_large_table() -> None:
    bomb = pa.table({"x": [1.0] * 2, "mode": ["a" * 50_000_000, "b" * 50_000_000]})
    content = body(PARQUET, bomb, compression="zstd", use_dictionary=False)
    with pytest.raises(RequestError, match="becomes larger"):
        table_frame(PARQUET, content, RULES, 1000)


def test_csv_as_excel_writes_it() -> None:
    text = '\ufeffmode,x,n\r\nok,1.5,\r\n"ok",2,3\r\n'
    found = table_frame(CSV, text.encode(), RULES, 10)
    assert plain(found) == {"x": [1.5, 2.0], "n": [None, 3], "mode": ["ok", "ok"]}


def test_csv_with_semicolons_says_what_to_send() -> None:
    with pytest.raises(RequestError) as caught:
        table_frame(CSV, b"x;mode\n1,5;ok\n", RULES, 10)
    assert caught.value.message == (
        "The body can't be read as CSV file: its columns are separated by semicolons or tabs; send "
        "commas between them, and points in numbers."
    )


@pytest.mark.parametrize("text", ["x,mode\n1;ok\n", "x,mode\nabc,ok\n", "x,mode\n1,\xe4\n"])
def test_csv_that_does_not_fit_is_a_sentence(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        table_frame(CSV, text.encode("latin-1"), RULES, 10)
    assert caught.value.code == "invalid_table"
    assert "\n" not in caught.value.message
