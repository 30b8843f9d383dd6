"""Anyone's CSV or Parquet: read rightly or refused by name, never misread."""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.dataset.tabular import iter_tables, open_table, read_table
from ci.errors import MlopsError

EXCEL = "Name;Umsatz\r\nMüller;1.234,50\r\nGroß;7\r\n"


def read(folder: Path, content: str | bytes, name: str = "in.csv") -> dict[str, list[Any]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    columns: dict[str, list[Any]] = read_table(path)[0].to_pydict()
    return columns


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,x\n", {"a": ["1"], "b": ["x"]}),
        ("\ufeffa,b\n1,x\n", {"a": ["1"], "b": ["x"]}),
        ("a,b\r\n1,x\r\n", {"a": ["1"], "b": ["x"]}),
        ("a,b\r1,x\r", {"a": ["1"], "b": ["x"]}),
        ("a,b\n1,x", {"a": ["1"], "b": ["x"]}),
        ("\n\na,b\n1,x\n\n", {"a": ["1"], "b": ["x"]}),
        ("a\tb\n1\tx,y\n", {"a": ["1"], "b": ["x,y"]}),
        ("a;b,c\n1;x\n2;y\n", {"a": ["1", "2"], "b,c": ["x", "y"]}),
        ("a|b\n1|x\n", {"a": ["1"], "b": ["x"]}),
        (" a , b \n1,x\n", {"a": ["1"], "b": ["x"]}),
        ('a,b\n"x\ny","say ""hi"""\n', {"a": ["x\ny"], "b": ['say "hi"']}),
        ('a,b\n6" pipe,1\n', {"a": ['6" pipe'], "b": ["1"]}),
        (EXCEL, {"Name": ["Müller", "Groß"], "Umsatz": ["1234.50", "7"]}),
        (EXCEL.encode("cp1252"), {"Name": ["Müller", "Groß"], "Umsatz": ["1234.50", "7"]}),
        (EXCEL.encode("utf-8-sig"), {"Name": ["Müller", "Groß"], "Umsatz": ["1234.50", "7"]}),
        (EXCEL.encode("utf-16"), {"Name": ["Müller", "Groß"], "Umsatz": ["1234.50", "7"]}),
        ("€,a\n1,x\n".encode("cp1252"), {"€": ["1"], "a": ["x"]}),
        # Two letters and signs that would be one of UTF-8.
        ("a\nNESTLÉ®\n«CAFÉ»\nSÃO\n".encode("cp1252"), {"a": ["NESTLÉ®", "«CAFÉ»", "SÃO"]}),
        # What a lone 1.234 means is told by the other columns, or by commas between columns.
        ("a;b\n1.234;1,5\n2;2,25\n", {"a": ["1234", "2"], "b": ["1.5", "2.25"]}),
        ("a;b\n1.234;1.5\n", {"a": ["1.234"], "b": ["1.5"]}),
        ("a;b\n1,234;1,5\n", {"a": ["1.234"], "b": ["1.5"]}),
        ("a;b\n1.234;x\n0.5;y\n", {"a": ["1.234", "0.5"], "b": ["x", "y"]}),
        ("a,b\n1.234,x\n", {"a": ["1.234"], "b": ["x"]}),
        ('a,b\n"1,234",x\n', {"a": ["1234"], "b": ["x"]}),
        ('a,b\n"1,234,567.5",x\n', {"a": ["1234567.5"], "b": ["x"]}),
        ('a,b\n"1,5",x\n', {"a": ["1.5"], "b": ["x"]}),
        ("a;b\n1.234.567;x\n", {"a": ["1234567"], "b": ["x"]}),
        # Text stays as it is.
        ("a,b\n007,1e5\n010,2E7\n", {"a": ["007", "010"], "b": ["1e5", "2E7"]}),
        ("a,b\n31.12.2024,1\n", {"a": ["31.12.2024"], "b": ["1"]}),
        ("a,b\n12345678901234567890,1\n", {"a": ["12345678901234567890"], "b": ["1"]}),
        ("a,b\n1,x\nfoo,y\n", {"a": ["1", "foo"], "b": ["x", "y"]}),
        ("a;b\n1,5;x\nfoo;y\n", {"a": ["1,5", "foo"], "b": ["x", "y"]}),
        # NA is missing among numbers, and a country among countries.
        ("a,b\n1,NA\nNA,DE\n", {"a": ["1", None], "b": ["NA", "DE"]}),
        ("a,b\nNA,x\ntrue,x\n", {"a": [None, "true"], "b": ["x", "x"]}),
        ("a,b\n1,\n,x\n", {"a": ["1", None], "b": [None, "x"]}),
        ("a\n1\n\n3\n", {"a": ["1", None, "3"]}),
        ("a,b\n 1 ,2.50\n", {"a": ["1"], "b": ["2.50"]}),
    ],
)  # fmt: skip
def test_read_rightly(
    tmp_path: Path, content: str | bytes, expected: dict[str, list[str | None]]
) -> None:
    assert read(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        ("a,b\n", "no rows"),
        ("a,\n1,2\n", "column 2 has no name"),
        ("a,b,a\n1,2,3\n", "'a' is there twice"),
        ('a,"b\nc"\n1,2\n', "column 2 has a line break"),
        ("1,2\n3,4\n", "the header is missing"),
        ("a,b\n1,2\n1,2,3\n", "has 3 cells where the header has 2"),
        ("a,b\n1,2\n1\n", "has 1 cells where the header has 2"),
        ("price\n1,5\n", "has 2 cells where the header has 1"),
        ('a,b\n1, "x,y"\n', "has 3 cells where the header has 2"),
        ('a,b\n"x,1\n2,3\n', "a quote in line 2 is not closed"),
        ('a,b\n1,2\n"x,1\n6" pipe,3\n', "a quote in line 3 is not closed"),
        ('a,b\r1,2\r"x,1\r6" pipe,3\r', "a quote in line 3 is not closed"),
        ("a;b,c\n1;2,3\n", "separated by comma and semicolon"),
        ("a,b\n1,\0\n", "NUL bytes"),
        ('a,b\n"x \\"q\\" y",1\n', r"quotes within quotes as \""),
        ("a,b\n1,Привет\n".encode("cp1251"), "neither UTF-8 nor Windows-1252"),
        ("a,b\n1,Müller\n".encode("mac_roman"), "neither UTF-8 nor Windows-1252"),
        ("a,b\n1,Åre\n".encode() + "2,Malmö\n".encode("cp1252"), "parts of it are UTF-8 and parts"),
        ("a;b\n1.234;x\n2;y\n", "column a: 1.234 in row 1 may have"),
        ("a\tb\n1,234\tx\n", "column a: 1,234 in row 1 may have"),
        ("a;b;c\n1.234;1,5;2.5\n", "column a: 1.234 in row 1 may have"),
        ("a;b\n1,5;x\n2.5;y\n", "column a has decimal points and decimal commas"),
        ("a;b\n1 234,5;x\n", "column a has spaces or apostrophes in numbers"),
        ("a;b\n1'234.50;x\n", "column a has spaces or apostrophes in numbers"),
        ("a;b\n1\u00a0234;x\n", "column a has spaces or apostrophes in numbers"),
        (b"PK\x03\x04rest", "an Excel workbook"),
        (b"PAR1rest", "a Parquet file; name it .parquet"),
        (b"\x1f\x8brest", "name it .csv.gz"),
    ],
)
def test_refused_by_name(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(MlopsError) as caught:
        read(tmp_path, content)
    assert caught.value.code == "bad_table"
    assert caught.value.message.startswith("in.csv can't be read: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.parquet", b"a,b\n1,2\n", "no Parquet file"),
        ("in.parquet", b"", "no Parquet file"),
        ("in.xlsx", b"PK", "must end in"),
        ("in.csv.gz", b"a,b\n1,2\n", "reading failed"),
        ("in.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:-20], "reading failed"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(MlopsError, match=said) as caught:
        read(tmp_path, content, name)
    assert caught.value.code == "bad_table"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="There is no file"):
        read_table(tmp_path / "none.csv")


def test_late_in_a_large_file_still_counts(tmp_path: Path) -> None:
    head = "a;b\n" + "1;x\n" * 2_000_000
    assert read(tmp_path, head + "2,5;x\n")["a"][-1] == "2.5"
    assert read(tmp_path, head + "foo;x\n")["a"][-1] == "foo"
    with pytest.raises(MlopsError, match=r"column a: 1\.234 in row 2000001"):
        read(tmp_path, head + "1.234;x\n")
    assert read(tmp_path, head.encode() + "1;Müller\n".encode("cp1252"))["b"][-1] == "Müller"


def test_line_breaks_in_cells_of_a_large_file(tmp_path: Path) -> None:
    cell = "one\n" * 250 + "end"
    cells = read(tmp_path, "a,b\n" + f'1,"{cell}"\n' * 9000)["b"]
    assert cells == [cell] * 9000


def test_notes_say_what_was_decided(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(
        (
            "a;b;c;d;e;f\n1,5;1;ü;31.01.2024;1/2/2024;31.1.24\nNA;x;y;1.2.2024;11/12/2024;1.2.24\n"
        ).encode("cp1252")
    )
    assert open_table(tmp_path / "in.csv").notes == [
        "The file is not UTF-8; it was read as Windows-1252 (Latin-1).",
        "Columns are separated by semicolons.",
        "Column a has decimal commas.",
        "Column a: NA was read as missing.",
        "Column b is text: it is of mixed kinds, such as 'x' in row 2.",
        "Column d: dates such as 31.01.2024 in row 1 were read with the day first.",
        "Column e is text: 1/2/2024 may be one of two days, and nothing in the column tells which; "
        "write such dates as 2017-01-31 where they matter.",
        "Column f is text: 31.1.24 may be one of two days, and nothing in the column tells which; "
        "write such dates as 2017-01-31 where they matter.",
    ]


def test_gzipped_csv(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(b"a,b\n1,2\n"), "in.csv.gz") == {"a": ["1"], "b": ["2"]}


def test_parquet_keeps_its_types_in_four_kinds(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "count": pd.array([1, None], "Int32"),
            "value": [0.5, float("nan")],
            "price": [Decimal("1.25"), None],
            "shop": pd.Categorical(["a", None]),
            "day": [date(2024, 1, 31), None],
            "time": pd.to_datetime(pd.Series(["2024-01-31 10:11:12", None])),
            "midnight": pd.to_datetime(pd.Series(["2024-01-31", None])),
            "member": [True, False],
        }
    )
    table.to_parquet(tmp_path / "in.parquet")
    read_back, notes = read_table(tmp_path / "in.parquet")
    assert notes == []
    assert read_back.to_pydict() == {
        "count": [1, None],
        "value": [0.5, None],
        "price": [1.25, None],
        "shop": ["a", None],
        "day": ["2024-01-31", None],
        "time": ["2024-01-31 10:11:12", None],
        "midnight": ["2024-01-31", None],
        "member": [True, False],
    }
    assert {str(kind) for kind in read_back.schema.types} == {"int64", "double", "string", "bool"}


def test_parquet_with_lists_or_no_rows_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"items": [[1, 2]]}).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(MlopsError, match="column items holds list"):
        read_table(tmp_path / "in.parquet")
    pd.DataFrame({"x": [1]}).head(0).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(MlopsError, match="no rows"):
        read_table(tmp_path / "in.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("size", [1, 3, 100_000, 500_000])
def test_pieces_have_the_size_asked_for(tmp_path: Path, suffix: str, size: int) -> None:
    rows = 7 if size < 10 else 250_001
    path = tmp_path / f"in.{suffix}"
    table = pd.DataFrame({"n": range(rows), "s": "x"})
    table.to_parquet(path) if suffix == "parquet" else table.to_csv(path, index=False)
    pieces = list(iter_tables(path, size))
    full, rest = divmod(rows, size)
    assert [piece.num_rows for piece in pieces] == [size] * full + [rest] * bool(rest)
    numbers = [int(n) for piece in pieces for n in piece["n"].to_pylist()]
    assert numbers == list(range(rows))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\\"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20))
def test_text_that_pandas_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """A word in front keeps numbers text, whose spelling is not kept."""
    path = tmp_path_factory.mktemp("round") / "in.csv"
    table = pd.DataFrame([("word", "word"), *rows], columns=["first", "second"])
    table.to_csv(path, index=False, lineterminator="\n")
    expected = [tuple(cell or None for cell in row) for row in [("word", "word"), *rows]]
    try:
        found = read_table(path)[0]
    except MlopsError:  # refused is allowed, misread is not
        return
    assert list(zip(*found.to_pydict().values(), strict=True)) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.decimals(-(10**7), 10**7, places=2), min_size=1, max_size=20),
    st.sampled_from([(",", "."), (".", ","), ("", "."), ("", ",")]),
    st.sampled_from([";", "\t", ","]),
)
def test_numbers_of_any_country_are_read_rightly_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[Decimal],
    signs: tuple[str, str],
    delimiter: str,
) -> None:
    group, point = signs
    texts = [f"{n:,.2f}".replace(",", "G").replace(".", point).replace("G", group) for n in numbers]
    path = tmp_path_factory.mktemp("numbers") / "in.csv"
    frame = pd.DataFrame({"amount": texts, "word": "x"})
    frame.to_csv(path, index=False, sep=delimiter)
    found = read_table(path)[0]["amount"].to_pylist()
    assert [Decimal(text) for text in found] == numbers


def test_parquet_that_is_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [f"text {i % 977}" for i in range(100_000)]}), path)
    data = bytearray(path.read_bytes())
    data[200:1200] = b"\0" * 1000
    path.write_bytes(data)
    with pytest.raises(MlopsError, match=r"in\.parquet can't be read: it is damaged"):
        read_table(path)


def test_parquet_texts_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    texts = pa.array([b"plain", b"\xff\xfe"]).view(pa.string())
    pq.write_table(pa.table({"x": texts}), tmp_path / "in.parquet")
    with pytest.raises(MlopsError, match="it is damaged"):
        read_table(tmp_path / "in.parquet")
