from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ci.contract.model import ModelContract
from ci.errors import MlopsError
from ci.evaluate.candidate import Servable
from ci.score import score_with
from tests.support.repositories import contract

INPUT = {
    "x": {"type": "number", "unit": "dollars", "minimum": 0, "maximum": 10000},
    "shelf": {"type": "string", "categories": ["top", "über"]},
    "count": {"type": "integer", "nullable": True},
}
PREDICT = """
def load_model(directory):
    return 2.0


def predict(model, rows):
    return rows["x"] * model + rows["count"].fillna(0)
"""


@pytest.fixture
def servable(tmp_path: Path) -> Servable:
    folder = tmp_path / "model"
    (folder / "artifact").mkdir(parents=True)
    (folder / "predict.py").write_text(PREDICT)
    parsed = ModelContract.model_validate(contract("doubled", input=INPUT))
    return Servable(folder / "predict.py", folder / "artifact", parsed, 3, "f" * 40)


def score_bytes(servable: Servable, tmp_path: Path, content: bytes, name: str = "in.csv") -> Path:
    source, target = tmp_path / name, tmp_path / "out.csv"
    source.write_bytes(content)
    score_with(servable, source, target, tmp_path / "state")
    return target


PLAIN = 'x,shelf,count,note\n1.5,top,2,hello\n1234.5,über,,"a, b"\n'
WAYS = {
    "plain": PLAIN.encode(),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "byte-order mark": PLAIN.encode("utf-8-sig"),
    "Latin-1": PLAIN.encode("latin-1"),
    "semicolons and decimal commas": PLAIN.replace(",", ";")
    .replace(".", ",")
    .replace('"a; b"', '"a, b"')
    .encode(),
    "columns in another order": b"note,count,shelf,x\nhello,2,top,1.5\n"
    + '"a, b",,über,1234.5\n'.encode(),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_csv_written_in_any_usual_way_is_read_rightly(
    servable: Servable, tmp_path: Path, way: str
) -> None:
    out = pd.read_csv(score_bytes(servable, tmp_path, WAYS[way]))
    assert out["x"].tolist() == [1.5, 1234.5]
    assert out["y"].tolist() == [5.0, 2469.0]
    assert out["shelf"].tolist() == ["top", "über"]
    assert out["note"].tolist() == ["hello", "a, b"]
    assert out["count"].isna().tolist() == [False, True]


def test_parquet_goes_in_and_out_with_its_other_columns(servable: Servable, tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [7, 8], "x": [1, 2], "shelf": ["top"] * 2, "count": [1, None]})
    table.to_parquet(tmp_path / "in.parquet")
    done = score_with(
        servable, tmp_path / "in.parquet", tmp_path / "out.parquet", tmp_path / "state"
    )
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert (done.rows, done.version) == (2, 3)
    assert out["id"].tolist() == [7, 8]
    assert out["y"].tolist() == [3.0, 4.0]


def test_many_pieces_keep_their_order(servable: Servable, tmp_path: Path) -> None:
    rows = 45_001
    table = pd.DataFrame({"x": [float(i % 9999) for i in range(rows)], "shelf": "top", "count": 1})
    table.to_csv(tmp_path / "in.csv", index=False)
    done = score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    out = pd.read_csv(tmp_path / "out.csv")
    assert done.rows == len(out) == rows
    assert (out["y"] == table["x"] * 2 + 1).all()


def test_csv_has_plain_digits_and_quotes_where_they_are_needed(
    servable: Servable, tmp_path: Path
) -> None:
    servable.predict_file.write_text(PREDICT.replace("* model", "* 1e12"))
    given = 'x,shelf,count,note\n4.57,top,,"a, b"\n0.0000001,top,,"say ""hi"""\n0.1,top,,\n'
    assert score_bytes(servable, tmp_path, given.encode()).read_text() == (
        "x,shelf,count,note,y\n"
        '4.57,top,,"a, b",4570000000000\n'
        '0.0000001,top,,"say ""hi""",100000\n'
        "0.1,top,,,100000000000\n"
    )


BAD = {
    "a header of other letters": (
        "x,shelf,Coünt,coünt\n1,top,1,1\n".encode(),
        r"count is missing \(rename 'coünt' in the file, if that is it\); .* needs x, shelf",
    ),
    "missing column": (b"x,shelf\n1,top\n", "count is missing"),
    "text where a number belongs": (
        b"x,shelf,count\n1,top,1\nabc,top,1\n",
        "row 2: x must be a number, found 'abc'",
    ),
    "no rows": (b"x,shelf,count\n", "no rows"),
    "empty file": (b"", "empty"),
    "out of range": (b"x,shelf,count\n-1,top,1\n", "must be at least 0"),
    "unknown category": (b"x,shelf,count\n1,floor,1\n", "must be one of top"),
    "missing value": (b"x,shelf,count\n,top,1\n", "must not be missing"),
    "half a unit": (b"x,shelf,count\n1,top,1.5\n", "must be an integer"),
    "cut off within quotes": (b'x,shelf,count\n1,top,1\n2,"to', "a quote in line 3 is not closed"),
    "a quote too many, and one cell of all rows behind it": (
        b'x,shelf,count,note\n1,top,1,"12 inch\n2,top,1,a\n3,top,1,"a, b"\n',
        "a quote in line 2 is not closed where its cell ends",
    ),
    "two quotes too many, and one cell of the rows between them": (
        b'x,shelf,count,note\n1,top,1,"12 inch\n2,top,1,a\n3,top,1,12" wide\n',
        "a quote in line 2 is not closed where its cell ends",
    ),
    "a column that is predicted": (b"x,shelf,count,y\n1,top,1,1\n", "has a column y already"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_one_sentence_and_writes_nothing(
    servable: Servable, tmp_path: Path, case: str
) -> None:
    content, words = BAD[case]
    target = tmp_path / "out.csv"
    target.write_text("what was there")
    with pytest.raises(MlopsError, match=words) as caught:
        score_bytes(servable, tmp_path, content)
    assert "\n" not in caught.value.message
    assert target.read_text() == "what was there"
    assert not list(tmp_path.glob(".*part"))
    assert not list((tmp_path / "state" / "score").glob("*/*"))


def test_an_outcome_of_the_same_name_gives_way_where_that_is_asked_for(
    servable: Servable, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("y,x,shelf,count,note\n-5,2,top,1,a\n")
    score_with(servable, source, target, tmp_path / "state", replace=True)
    rows = pd.read_csv(target)
    assert list(rows.columns) == ["x", "shelf", "count", "note", "y"]
    assert rows["y"].tolist() != [-5]


def test_what_is_no_parquet_is_refused(servable: Servable, tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="no Parquet"):
        score_bytes(servable, tmp_path, PLAIN.encode(), "in.parquet")


@pytest.mark.parametrize("name", ["out.xlsx", "in.csv"])
def test_an_output_that_can_not_be_is_refused(
    servable: Servable, tmp_path: Path, name: str
) -> None:
    (tmp_path / "in.csv").write_text(PLAIN)
    with pytest.raises(MlopsError, match=name):
        score_with(servable, tmp_path / "in.csv", tmp_path / name, tmp_path / "state")
    assert (tmp_path / "in.csv").read_text() == PLAIN


def test_a_model_that_fails_in_the_middle_leaves_no_output(
    servable: Servable, tmp_path: Path
) -> None:
    servable.predict_file.write_text(
        PREDICT.replace("    return rows", "    assert rows['x'].max() < 9000\n    return rows")
    )
    table = pd.DataFrame(
        {"x": [float(i % 9999) for i in range(30_000)], "shelf": "top", "count": 1}
    )
    table.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(MlopsError, match="AssertionError"):
        score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "model", "state"]
