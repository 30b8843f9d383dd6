"""The OpenAPI document says what the contract says, and what the service answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bentos.answers import ERRORS
from bentos.bundle import Bundle
from bentos.openapi import PREDICT_ERRORS, column_schema, document
from bentos.rows import check_rows
from tests.support import services


def described(version: int | None = 3) -> dict[str, Any]:
    release = {} if version is None else {"version": version}
    return document(Bundle(Path(), services.contract("r"), release))


def references(value: object) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [each for inner in value.values() for each in references(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in references(inner)]
    return []


def test_each_input_column_has_its_type_range_unit_and_words() -> None:
    row = described()["components"]["schemas"]["Row"]
    assert row["required"] == ["x", "mode"]
    assert row["additionalProperties"] is False
    x = row["properties"]["x"]
    assert (x["type"], x["minimum"], x["maximum"], x["x-unit"]) == ("number", -100, 100, "euro")
    assert x["description"] == "Unit: euro. From -100 to 100."
    n = row["properties"]["n"]
    assert (n["type"], n["nullable"], n["minimum"]) == ("integer", True, -(2**31 - 1))
    assert n["description"] == "How many. May be null or left out."
    assert row["properties"]["mode"]["enum"] == services.MODES


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ({"type": "string", "categories": ["a"], "nullable": True}, {"enum": ["a", None]}),
        ({"type": "string"}, {"pattern": r"^[^\u0000]*$"}),
        ({"type": "integer", "minimum": 1}, {"minimum": 1, "maximum": 2**31 - 1}),
        ({"type": "number", "maximum": 5, "pii": True}, {"x-pii": True, "maximum": 5}),
        ({"type": "boolean"}, {"type": "boolean", "description": "A boolean."}),
    ],
)
def test_the_schema_of_a_column(rules: dict[str, Any], part: dict[str, Any]) -> None:
    schema = column_schema(rules)
    assert {key: schema.get(key) for key in part} == part


def test_the_example_request_is_what_the_contract_allows() -> None:
    media = described()["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    rows = media["example"]["rows"]
    assert check_rows(services.contract("r")["input"], rows)["mode"] == ["ok"]


def test_every_answer_of_predict_is_documented_in_the_one_error_shape() -> None:
    answers = described()["paths"]["/predict"]["post"]["responses"]
    assert set(answers) == {"200", *(str(ERRORS[code][0]) for code in PREDICT_ERRORS)}
    examples: dict[str, Any] = {}
    for status, answer in answers.items():
        if status != "200":
            media = answer["content"]["application/json"]
            assert media["schema"] == {"$ref": "#/components/schemas/Error"}
            examples |= media["examples"]
    assert set(examples) >= set(PREDICT_ERRORS)
    assert "Retry-After" in answers["503"]["headers"]


def test_every_reference_is_there() -> None:
    whole = described()
    names = {each.removeprefix("#/components/schemas/") for each in references(whole)}
    assert names == set(whole["components"]["schemas"])


def test_one_output_is_a_scalar_and_several_are_an_object() -> None:
    assert described()["components"]["schemas"]["Prediction"]["type"] == "number"
    rules = services.contract("r") | {"output": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    prediction = document(Bundle(Path(), rules))["components"]["schemas"]["Prediction"]
    assert prediction["type"] == "object"
    assert prediction["required"] == ["a", "b"]


def test_the_version_is_the_registered_one_or_candidate() -> None:
    assert described()["info"]["version"] == "3"
    assert described(None)["info"]["version"] == "candidate"
