"""GitHub's own description of its API: which operation, which fields, which answers."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SOURCE = Path(__file__).parents[1] / "openapi" / "github.json"
PREFIX = "#/components/schemas/"
URN = "urn:github"
# A tag may hold slashes; everything else is one part of the path.
PATTERNS = {"tag": ".+", "ref": ".+?"}
SAMPLES: dict[str, Any] = {
    "array": [],
    "boolean": False,
    "integer": 0,
    "number": 0.0,
    "string": "filled",
}
FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "email": "filled@example.com",
    "uri": "https://example.com/filled",
}


class Operation:
    """One thing that the API does: ``GET /repos/{owner}/{repo}/pulls`` and so on."""

    def __init__(self, name: str, source: dict[str, Any]) -> None:
        self.name = name
        self.method: str = source["method"]
        self.path: str = source["path"]
        self.query: dict[str, Any] = source["query"]
        self.body: dict[str, Any] | None = source["body"]
        self.body_required: bool = source["body_required"]
        self.answers: dict[str, Any] = source["answers"]
        self._path_parameters: dict[str, Any] = source["path_parameters"]
        self._pattern = re.compile(re.sub(r"\{(\w+)\}", self._group, self.path))

    @staticmethod
    def _group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{PATTERNS.get(match[1], '[^/]+')})"

    def match(self, path: str) -> dict[str, Any] | None:
        """The parameters in ``path``, numbers as such, or None where it is another operation's."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, Any] = {key: unquote(part) for key, part in found.groupdict().items()}
        for name, schema in self._path_parameters.items():
            if _types(schema) == {"integer"}:
                if not values[name].isdigit():
                    return None
                values[name] = int(values[name])
        return values


@cache
def operations() -> list[Operation]:
    """All operations, those with the fewest variable parts first."""
    every = [Operation(name, each) for name, each in _document()["operations"].items()]
    return sorted(every, key=lambda each: (each.path.count("{"), -len(each.path)))


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with ``value``, as sentences; unknown fields are wrong too."""
    found = [
        f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:200]}"
        for error in _validator(json.dumps(schema)).iter_errors(value)
    ]
    return found + [f"unknown field {name}" for name in _unknown(schema, value)]


def fill(schema: dict[str, Any], value: Any) -> Any:
    """``value`` with made-up values for the required fields that it leaves out."""
    schema = _choice(schema, value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        filled = {
            key: fill(properties[key], each) if key in properties else each
            for key, each in value.items()
        }
        missing = [name for name in schema.get("required", []) if name not in filled]
        return filled | {name: _sample(properties.get(name, {})) for name in missing}
    if isinstance(value, list):
        return [fill(schema.get("items", {}), each) for each in value]
    return value


def _sample(schema: dict[str, Any]) -> Any:
    schema = _resolved(schema)
    options = _options(schema)
    if _may_be_null(schema):
        return None
    if options:
        return _sample(options[0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = next(iter(sorted(_types(schema) - {"null"})), "object")
    if kind == "string":
        return FORMATS.get(schema.get("format", ""), SAMPLES["string"])
    return SAMPLES[kind] if kind in SAMPLES else fill(schema, {})


def _choice(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The alternative of ``schema`` that has the fields of ``value``."""
    schema = _resolved(schema)
    options = _options(schema)
    if not options:
        return schema
    if isinstance(value, dict):
        fitting = [each for each in options if set(value) <= set(_properties(each))]
        best = max(options, key=lambda each: len(set(value) & set(_properties(each))))
        return _choice(fitting[0] if fitting else best, value)
    if isinstance(value, list):
        return next((each for each in options if "items" in _resolved(each)), schema)
    return schema


def _unknown(schema: dict[str, Any], value: Any, place: str = "") -> list[str]:
    schema = _choice(schema, value)
    found = []
    if isinstance(value, dict) and "properties" in schema:
        for key, each in value.items():
            if key in schema["properties"]:
                found += _unknown(schema["properties"][key], each, f"{place}{key}.")
            elif not schema.get("additionalProperties"):
                found.append(place + key)
    if isinstance(value, list):
        for each in value:
            found += _unknown(schema.get("items", {}), each, place)
    return found


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _choice(schema, {}).get("properties", {})
    return found


def _options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    every = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    # `anyOf` that only says which fields are required is no alternative.
    return [each for each in map(_resolved, every) if set(each) != {"required"}]


def _may_be_null(schema: dict[str, Any]) -> bool:
    return "null" in _types(schema) or any(map(_may_be_null, _options(schema)))


def _types(schema: dict[str, Any]) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _document()["schemas"][schema["$ref"].removeprefix(PREFIX)]
    return schema


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SOURCE.read_text(encoding="utf-8"))
    return document


@cache
def _registry() -> Registry[Any]:
    schemas = json.loads(json.dumps(_document()["schemas"]).replace(PREFIX, f"{URN}{PREFIX}"))
    resource = DRAFT202012.create_resource({"components": {"schemas": schemas}})
    found: Registry[Any] = Registry().with_resource(URN, resource)
    return found


@cache
def _validator(schema: str) -> Draft202012Validator:
    absolute = json.loads(schema.replace(f'"{PREFIX}', f'"{URN}{PREFIX}'))
    return Draft202012Validator(absolute, registry=_registry())
