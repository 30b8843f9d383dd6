"""The OpenAPI document of a model's API, from its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentos.answers import ERRORS
from bentos.replies import MODEL_HEADER, VERSION_HEADER
from bentos.rows import INTEGER_LIMIT, MOST_PROBLEMS, sample
from bentos.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.bundle import Bundle

PREDICT_ERRORS = (
    "unauthorized", "forbidden", "too_many_requests", "invalid_json", "invalid_table",
    "slow_request", "too_large", "unsupported_media_type", "invalid_rows", "model_error",
    "overloaded", "no_worker", "deadline",
)  # fmt: skip
FORMATS: Mapping[str, dict[str, Any]] = {
    "number": {"type": "number", "format": "double"},
    "integer": {
        "type": "integer",
        "format": "int32",
        "minimum": -INTEGER_LIMIT,
        "maximum": INTEGER_LIMIT,
    },
    "boolean": {"type": "boolean"},
    "string": {"type": "string", "pattern": r"^[^\u0000]*$"},
}


def document(bundle: Bundle) -> dict[str, Any]:
    """The whole document, OpenAPI 3.0.3."""
    contract = bundle.contract
    version = "candidate" if bundle.version is None else str(bundle.version)
    info = {"title": bundle.name, "version": version, "description": contract["description"]}
    return {
        "openapi": "3.0.3",
        "info": {**info, "x-owner": contract["owner"], "x-language": bundle.language},
        "paths": {"/predict": {"post": _predict(bundle)}, **_plain_paths()},
        "components": {
            "schemas": _schemas(bundle),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def column_schema(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of one column: type, range, unit, categories, nullable."""
    schema = dict(FORMATS[rules["type"]])
    schema.update({key: rules[key] for key in ("minimum", "maximum") if _given(rules, key)})
    if _given(rules, "categories"):
        schema.pop("pattern")
        schema["enum"] = list(rules["categories"])
    if rules.get("nullable"):
        schema["nullable"] = True
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if _given(rules, "unit"):
        schema["x-unit"] = rules["unit"]
    if rules.get("pii"):
        schema["x-pii"] = True
    schema["description"] = _describe(rules)
    schema["example"] = sample(rules)
    return schema


def _given(rules: Mapping[str, Any], key: str) -> bool:
    return rules.get(key) is not None


def _describe(rules: Mapping[str, Any]) -> str:
    """The column's description with unit and range in words, for people."""
    parts = [str(rules["description"]).rstrip(".")] if _given(rules, "description") else []
    if _given(rules, "probability_of"):
        parts.append(f"Probability of {rules['probability_of']}")
    if _given(rules, "unit"):
        parts.append(f"Unit: {rules['unit']}")
    if _given(rules, "minimum") and _given(rules, "maximum"):
        parts.append(f"From {rules['minimum']:.15g} to {rules['maximum']:.15g}")
    elif _given(rules, "minimum"):
        parts.append(f"At least {rules['minimum']:.15g}")
    elif _given(rules, "maximum"):
        parts.append(f"At most {rules['maximum']:.15g}")
    if rules.get("nullable"):
        parts.append("May be null or left out")
    return ". ".join(parts) + "." if parts else f"A {rules['type']}."


def _columns_schema(columns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: column_schema(rules) for name, rules in columns.items()},
        "required": [name for name, rules in columns.items() if not rules.get("nullable")],
        "additionalProperties": False,
    }


def _schemas(bundle: Bundle) -> dict[str, Any]:
    outputs = bundle.outputs
    prediction = _columns_schema(outputs)
    prediction["required"] = list(outputs)
    if len(outputs) == 1:
        prediction = column_schema(next(iter(outputs.values())))
    rows = {"type": "array", "minItems": 1, "maxItems": bundle.limits["max_rows"]}
    return {
        "Row": _columns_schema(bundle.inputs),
        "Request": {
            "type": "object",
            "properties": {"rows": {**rows, "items": _ref("Row")}},
            "required": ["rows"],
            "additionalProperties": False,
        },
        "Prediction": prediction,
        "Predictions": {
            "type": "object",
            "properties": {
                "predictions": {
                    "type": "array",
                    "items": _ref("Prediction"),
                    "description": "One a row, in the order of the rows.",
                },
                "model": {"type": "string", "enum": [bundle.name]},
                "version": {
                    "type": "integer",
                    "nullable": True,
                    "description": "The registered version; null for a candidate.",
                },
            },
            "required": ["predictions", "model", "version"],
            "additionalProperties": False,
        },
        "Error": _error_schema(),
    }


def _error_schema() -> dict[str, Any]:
    problem = {
        "type": "object",
        "properties": {
            "index": {"type": "integer", "description": "Position in rows, from 0."},
            "column": {"type": "string", "nullable": True},
            "problem": {"type": "string"},
        },
        "required": ["index", "column", "problem"],
    }
    error = {
        "type": "object",
        "properties": {
            "code": {"type": "string", "enum": list(ERRORS)},
            "message": {"type": "string"},
            "rows": {"type": "array", "items": problem, "maxItems": MOST_PROBLEMS},
        },
        "required": ["code", "message", "rows"],
    }
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _predict(bundle: Bundle) -> dict[str, Any]:
    example = {"rows": [bundle.example_row()]}
    limits = bundle.limits
    answers = {"200": _predictions_answer()}
    for status in sorted({ERRORS[code][0] for code in PREDICT_ERRORS}):
        answers[str(status)] = _error_answer(status)
    return {
        "operationId": "predict",
        "security": [{"key": []}, {}],
        "summary": bundle.contract["description"],
        "description": (
            f"At most {limits['max_rows']} rows and {limits['max_body_bytes']} bytes a request; "
            f"answered within {limits['timeout_seconds']:g} seconds. At most "
            f"{limits['max_concurrent']} calls at a time; one more is answered with 503."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _ref("Request"), "example": example},
                **_tables(),
            },
        },
        "responses": answers,
    }


def _tables() -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TABLES}


def _predictions_answer() -> dict[str, Any]:
    text = "One prediction a row: JSON, or a table with a column an output where Accept names one."
    answer = _answer(text, _ref("Predictions"))
    answer["content"] |= _tables()
    answer["headers"] = {
        name: {"schema": {"type": "string"}, "description": f"With a table: the {what}."}
        for name, what in {
            MODEL_HEADER: "model",
            VERSION_HEADER: "registered version, or candidate",
        }.items()
    }
    return answer


def _plain_paths() -> dict[str, Any]:
    anything = {"type": "object"}
    ready = _get("Whether a process of the model can answer now.", anything)
    ready["get"]["responses"]["503"] = _error_answer(503)
    metrics = _get("Prometheus metrics.", {"type": "string"}, "text/plain")
    metrics["get"]["responses"].update({str(each): _error_answer(each) for each in (401, 403)})
    return {
        "/": _get("A page with a form, for people.", {"type": "string"}, "text/html"),
        "/metadata": _get("The contract, the version and where it comes from.", anything),
        "/docs.json": _get("This document.", anything),
        "/docs": _get("This document as a page.", {"type": "string"}, "text/html"),
        "/livez": _get("Whether the service runs.", {"type": "string"}, "text/plain"),
        "/readyz": ready,
        "/metrics": metrics,
    }


def _get(summary: str, schema: dict[str, Any], media_type: str = "application/json") -> Any:
    return {"get": {"summary": summary, "responses": {"200": _answer(summary, schema, media_type)}}}


def _error_answer(status: int) -> dict[str, Any]:
    codes = {code: text for code, (of, text) in ERRORS.items() if of == status}
    answer = _answer(" ".join(codes.values()), _ref("Error"))
    answer["content"]["application/json"]["examples"] = {
        code: {"value": {"error": {"code": code, "message": text, "rows": []}}}
        for code, text in codes.items()
    }
    if status in {429, 503}:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        answer["headers"] = {"Retry-After": seconds}
    return answer


def _answer(
    description: str, schema: dict[str, Any], media_type: str = "application/json"
) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
