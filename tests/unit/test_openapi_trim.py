"""GitHub's description is cut down to what can be checked with JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.openapi.trim import trim


def description(schema: dict[str, Any]) -> dict[str, Any]:
    """One operation that answers with ``schema``."""
    answer = {"description": "Response", "content": {"application/json": {"schema": schema}}}
    operation = {
        "operationId": "things/get",
        "summary": "Get it",
        "parameters": [{"$ref": "#/components/parameters/page"}],
        "responses": {"200": answer, "404": {"description": "Not found"}},
    }
    page = {"name": "page", "in": "query", "schema": {"type": "integer", "example": 2}}
    other = {"type": "object", "properties": {"description": {"type": "string"}}}
    return {
        "info": {"version": "1"},
        "paths": {"/things": {"get": operation}},
        "components": {"parameters": {"page": page}, "schemas": {"other": other, "unused": {}}},
    }


@pytest.mark.parametrize(
    ("schema", "cut"),
    [
        ({"type": "string", "description": "x", "example": "y"}, {"type": "string"}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"nullable": True, "allOf": [{"type": "object"}]},
            {"anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]},
        ),
        ({"properties": {"title": {"title": "x"}}}, {"properties": {"title": {}}}),
    ],
)
def test_prose_goes_and_null_is_a_type(schema: dict[str, Any], cut: dict[str, Any]) -> None:
    operation = trim(description(schema), ["things/get"])["operations"]["things/get"]
    assert operation["answers"] == {"200": cut}
    assert operation["query"] == {"page": {"type": "integer"}}


def test_only_what_is_referred_to_stays() -> None:
    found = trim(description({"$ref": "#/components/schemas/other"}), ["things/get"])
    assert found["schemas"] == {
        "other": {"type": "object", "properties": {"description": {"type": "string"}}}
    }


def test_an_operation_that_github_does_not_have_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"describes no things/put\."):
        trim(description({}), ["things/get", "things/put"])
