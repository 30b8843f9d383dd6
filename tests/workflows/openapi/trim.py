"""Cuts GitHub's OpenAPI description down to the operations that the stand-in answers.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python -m tests.workflows.openapi.trim package/generated/api.github.com.json

Prose and examples go, and ``nullable`` becomes a JSON Schema type, so that jsonschema can check
with it. The description is GitHub's (github/rest-api-description, MIT licence).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPERATIONS, RESULT = HERE / "operations.txt", HERE / "github.json"
PROSE = {"deprecated", "description", "example", "examples", "externalDocs", "summary", "title"}
PREFIX = "#/components/schemas/"


def trim(source: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """``operations``: id → method, path, parameters, body, answers; ``schemas``: what they need."""
    operations = {
        operation["operationId"]: _operation(source, method.upper(), path, operation)
        for path, methods in source["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and operation.get("operationId") in wanted
    }
    missing = set(wanted) - set(operations)
    if missing:
        raise SystemExit(f"GitHub describes no {', '.join(sorted(missing))}.")
    schemas: dict[str, Any] = {}
    _collect(source, operations, schemas)
    version = source["info"]["version"]
    return {
        "source": f"@octokit/openapi {version}, MIT licence, GitHub",
        "operations": dict(sorted(operations.items())),
        "schemas": dict(sorted(schemas.items())),
    }


def _operation(
    source: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> dict[str, Any]:
    parameters = [_resolved(source, each) for each in operation.get("parameters", [])]
    content = operation.get("requestBody", {}).get("content", {})
    return {
        "method": method,
        "path": path,
        "path_parameters": _schemas(parameters, "path"),
        "query": _schemas(parameters, "query"),
        "body": _clean(content["application/json"]["schema"])
        if "application/json" in content
        else None,
        "body_required": operation.get("requestBody", {}).get("required", False),
        "answers": {
            status: _answer(_resolved(source, answer))
            for status, answer in operation["responses"].items()
            if status.startswith(("2", "3"))
        },
    }


def _schemas(parameters: list[dict[str, Any]], place: str) -> dict[str, Any]:
    return {each["name"]: _clean(each["schema"]) for each in parameters if each["in"] == place}


def _answer(answer: dict[str, Any]) -> Any:
    content = answer.get("content", {}).get("application/json")
    return _clean(content["schema"]) if content else None


def _resolved(source: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = source
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _clean(value: Any, *, names: bool = False) -> Any:
    """``names``: the keys are property names, none of which is prose."""
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _clean(each, names=key == "properties" and not names)
        for key, each in value.items()
        if names or not (key in PROSE or key.startswith("x-"))
    }
    return kept if names else _nullable(kept)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.pop("nullable", False):
        return schema
    if isinstance(schema.get("type"), str) and not {"anyOf", "allOf", "oneOf"} & set(schema):
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _collect(source: dict[str, Any], value: Any, schemas: dict[str, Any]) -> None:
    if isinstance(value, list):
        for each in value:
            _collect(source, each, schemas)
    elif isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(PREFIX):
            name = reference.removeprefix(PREFIX)
            if name not in schemas:
                schemas[name] = _clean(source["components"]["schemas"][name])
                _collect(source, schemas[name], schemas)
        for each in value.values():
            _collect(source, each, schemas)


def main(source: Path) -> None:
    """Write github.json from the whole description."""
    wanted = OPERATIONS.read_text(encoding="utf-8").split()
    trimmed = trim(json.loads(source.read_text(encoding="utf-8")), wanted)
    lines = [f'"source": {json.dumps(trimmed["source"])}']
    for part in ("operations", "schemas"):
        rows = (
            f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"
            for name, value in trimmed[part].items()
        )
        lines.append(f'"{part}": {{\n' + ",\n".join(rows) + "\n}")
    RESULT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
