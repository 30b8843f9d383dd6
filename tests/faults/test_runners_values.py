"""Values of every kind reach a model in each language as they are, and come back the same."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from bentos.frames import Column, Field, Frame, from_rows
from bentos.runners import LANGUAGES, ModelError, RunnerPool

FIELDS = [
    Field("number", "number", True),
    Field("whole", "integer", True),
    Field("flag", "boolean", True),
    Field("text", "string", True),
]
PLAIN_FIELDS = [field._replace(nullable=False) for field in FIELDS]
NUMBERS = [0.0, -0.0, 0.1, 1 / 3, 5e-324, -2.2e-308, 1.7976931348623157e308, 2.0**53 + 1]
WHOLES = [0, -1, 2**31 - 1, -(2**31) + 1]
TEXTS = ["", " ", "NA", "null", "Käse ½ €", "👩‍🌾 日本", 'a"b\\c\n\td', "x" * 10_000]

# Each model answers with what it got, missing replaced, and with what it takes for missing.
ECHO = {
    "python": """\
import pandas as pd

def load_model(directory):
    return None

def predict(model, rows):
    fill = {"number": 7.5, "whole": 7, "flag": True, "text": "gone"}
    gone = {name + "_gone": rows[name].isna() for name in rows}
    types = {"types": [" ".join(str(each) for each in rows.dtypes)] * len(rows)}
    full = {
        name: [fill[name] if lost else value for value, lost in zip(rows[name], rows[name].isna())]
        for name in rows
    }
    return pd.DataFrame({**types, **full, **gone})
""",
    "r": """\
load_model <- function(directory) NULL

predict_rows <- function(model, rows) {
  fill <- list(number = 7.5, whole = 7L, flag = TRUE, text = "gone")
  gone <- lapply(rows, function(column) is.na(column) & !(is.double(column) & is.nan(column)))
  full <- Map(function(column, value, lost) replace(column, lost, value), rows, fill, gone)
  names(gone) <- paste0(names(rows), "_gone")
  types <- paste(vapply(rows, class, ""), collapse = " ")
  data.frame(types = rep(types, nrow(rows)), full, gone)
}
""",
    "julia": """\
load_model(directory) = nothing

function predict_rows(model, rows)
    types = join([eltype(column) for column in rows], " ")
    return (
        types = fill(types, length(rows.number)),
        number = coalesce.(rows.number, 7.5), whole = coalesce.(rows.whole, 7),
        flag = coalesce.(rows.flag, true), text = coalesce.(rows.text, "gone"),
        number_gone = ismissing.(rows.number), whole_gone = ismissing.(rows.whole),
        flag_gone = ismissing.(rows.flag), text_gone = ismissing.(rows.text),
    )
end
""",
}
TYPES = {
    "python": ("float64 int64 bool str", "float64 float64 object str"),
    "r": ("numeric integer logical character", "numeric integer logical character"),
    "julia": (
        "Float64 Int64 Bool String",
        "Union{Missing, Float64} Union{Missing, Int64} Union{Missing, Bool} Union{Missing, String}",
    ),
}
OUTPUTS = [Field("types", "string"), *PLAIN_FIELDS] + [
    Field(f"{name}_gone", "boolean") for name, *_ in FIELDS
]


@pytest.fixture(params=list(ECHO), scope="module")
def echo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, RunnerPool]]:
    folder = tmp_path_factory.mktemp("echo")
    path = folder / LANGUAGES[request.param].predict_file
    path.write_text(ECHO[request.param])
    with RunnerPool(request.param, path, folder, OUTPUTS, timeout_seconds=60) as pool:
        yield request.param, pool


def sample_rows() -> list[dict[str, object]]:
    return [
        {
            "number": NUMBERS[i % len(NUMBERS)],
            "whole": WHOLES[i % len(WHOLES)],
            "flag": bool(i % 2),
            "text": TEXTS[i % len(TEXTS)],
        }
        for i in range(16)
    ]


def bits(values: list[float]) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


def test_values_come_back_bit_for_bit(echo: tuple[str, RunnerPool]) -> None:
    language, pool = echo
    frame = from_rows(sample_rows(), PLAIN_FIELDS)
    sent, answer = frame.to_lists(), pool.predict(frame).to_lists()
    assert answer.pop("types")[0].replace("Union{Missing,", "Union{Missing, ") == TYPES[language][0]
    assert bits(answer["number"]) == bits(sent["number"])
    assert {name: answer[name] for name in sent} == sent
    assert not any(any(answer[f"{name}_gone"]) for name in sent)


def test_missing_values_are_missing_in_the_model(echo: tuple[str, RunnerPool]) -> None:
    language, pool = echo
    rows = sample_rows()
    for i, name in enumerate(rows[0]):
        rows[i][name] = None
        rows[8 + i][name] = None
    frame = from_rows(rows, FIELDS)
    answer = pool.predict(frame).to_lists()
    types = answer["types"][0].replace("Missing,", "Missing, ").replace("  ", " ")
    assert types == TYPES[language][1]
    for (name, *_), fill in zip(FIELDS, [7.5, 7, True, "gone"], strict=True):
        sent = frame.columns[name].to_list()
        assert answer[f"{name}_gone"] == [value is None for value in sent]
        assert answer[name] == [fill if value is None else value for value in sent]


def test_a_column_may_be_missing_altogether(echo: tuple[str, RunnerPool]) -> None:
    _, pool = echo
    answer = pool.predict(from_rows([{}, {}], FIELDS)).to_lists()
    assert answer["text"] == ["gone", "gone"]
    assert answer["whole"] == [7, 7]


def test_nullable_columns_keep_their_type_when_nothing_is_missing(
    echo: tuple[str, RunnerPool],
) -> None:
    language, pool = echo
    types = pool.predict(from_rows(sample_rows(), FIELDS)).to_lists()["types"][0]
    assert types.replace("Missing,", "Missing, ").replace("  ", " ") == TYPES[language][1]


def test_nan_is_not_missing_where_the_language_can_tell(echo: tuple[str, RunnerPool]) -> None:
    language, pool = echo
    frame = from_rows([{"number": math.nan, "whole": 1, "flag": True, "text": ""}], FIELDS)
    if language == "python":
        assert pool.predict(frame).to_lists()["number"] == [7.5]
        return
    with pytest.raises(ModelError, match="NaN or an infinite number in output 'number'"):
        pool.predict(frame)


def test_a_hundred_thousand_rows(echo: tuple[str, RunnerPool]) -> None:
    _, pool = echo
    rows = 100_000
    numbers = np.random.default_rng(1).standard_normal(rows)
    frame = Frame(
        {
            "number": Column("float64", numbers),
            "whole": Column("int32", np.arange(rows, dtype=np.int32)),
            "flag": Column("bool", numbers > 0),
            "text": Column("utf8", np.array([f"é{i}" for i in range(rows)], dtype=object)),
        }
    )
    answer = pool.predict(frame)
    for name, column in frame.columns.items():
        assert (answer.columns[name].values == column.values).all()
