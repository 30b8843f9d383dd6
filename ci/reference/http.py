"""The page of a model's API, from the OpenAPI document and the table of errors."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

from bentos import metrics
from bentos.answers import ERRORS
from bentos.app import METHODS
from bentos.bundle import Bundle
from bentos.openapi import document
from bentos.replies import JSON, MODEL_HEADER, VERSION_HEADER
from bentos.tables import CSV, TABLES, TITLES
from ci.reference.markdown import table

# A contract as small as one can be: only what all models have in common is taken from it.
EXAMPLE: dict[str, Any] = {
    "name": "demand-forecast",
    "owner": "procurement",
    "language": "r",
    "description": "Next week's units",
    "input": {"units_last_week": {"type": "number", "minimum": 0, "example": 120}},
    "output": {"units": {"type": "number"}},
    "serving": {
        "workers": 1,
        "timeout_seconds": 10,
        "max_rows": 1000,
        "max_body_bytes": 1048576,
        "max_concurrent": 256,
    },
}
BEGIN = (
    "All models of a machine have one address, `http://127.0.0.1:7100` unless `local.port` of "
    "`policies/deployment.yaml` is another. `/` lists them for people, `/models.json` for "
    "programs. Each has a path of its own, the same for all its versions: what follows stands "
    "below `/MODEL`, such as `/demand-forecast/predict`. A model's own columns, with type, range "
    "and unit, stand at `/docs` and, for programs, at `/docs.json`."
)


def http() -> str:
    """Paths, the shape of requests, answers and errors, and the metrics."""
    described = document(Bundle(Path(), EXAMPLE))
    return "\n\n".join([BEGIN, _paths(described), _predict(), _errors(), _metrics()])


def _paths(described: dict[str, Any]) -> str:
    rows = []
    for path, methods in METHODS.items():
        found = described["paths"].get(path, {})
        operation = found.get("post") or found.get("get") or {"summary": "Leads to /docs."}
        summary = "Predicts rows." if path == "/predict" else operation["summary"]
        rows.append([f"`{path}`", ", ".join(methods), summary])
    return f"## Paths\n\n{table(['path', 'methods', 'answers'], rows)}"


def _predict() -> str:
    asked = {"rows": [{"units_last_week": 120}]}
    answered = {"predictions": [118.2], "model": EXAMPLE["name"], "version": 1}
    limits = (
        "`serving` in [model.yaml](model-yaml.md) sets the most rows, bytes and seconds, and how "
        "many calls are answered at a time."
    )
    text = (
        "One prediction a row, in their order: a value where the model has one output column, "
        "an object where it has several. A model with this one input column would be asked "
        "like this (the numbers are made up)."
    )
    return (
        f"## POST /predict\n\n{text}\n\n```json\n{json.dumps(asked)}\n```\n\n"
        f"```json\n{json.dumps(answered)}\n```\n\n{limits}\n\n{_forms()}"
    )


def _forms() -> str:
    text = (
        "`Content-Type` says what the rows come as, `Accept` what the predictions are wanted as; "
        "each may be any of these, whatever the other is. A table has a column for each input, or "
        f"output, of the contract. Without `Accept`, and where it names none of these, the answer "
        f"is JSON; errors always are. With a table the headers `{MODEL_HEADER}` and "
        f"`{VERSION_HEADER}` say who answered."
    )
    rows = [["JSON", f"`{JSON}`"], *([TITLES[kind], f"`{kind}`"] for kind in TABLES)]
    asked = (
        f"curl -H 'Content-Type: {CSV}' -H 'Accept: {CSV}' --data-binary @rows.csv \\\n"
        "  http://127.0.0.1:7100/demand-forecast/predict"
    )
    return f"{text}\n\n{table(['form', 'media type'], rows)}\n\n```sh\n{asked}\n```"


def _errors() -> str:
    shape = '{"error": {"code": "…", "message": "…", "rows": [{"index": 0, "column": "…", '
    rows = [[str(status), f"`{code}`", text] for code, (status, text) in ERRORS.items()]
    return (
        f'## Errors\n\nOne shape for all:\n\n```text\n{shape}"problem": "…"}}]}}}}\n```\n\n'
        f"{table(['status', 'code', 'meaning'], rows)}"
    )


def _metrics() -> str:
    text = f"Prometheus reads them at `/metrics`; each has the labels {', '.join(metrics.LABELS)}."
    rows = [[f"`{name}`", meaning] for name, meaning in metric_names().items()]
    return f"## Metrics\n\n{text}\n\n{table(['metric', 'meaning'], rows)}"


def metric_names() -> dict[str, str]:
    """Name → meaning, read from the source: creating the metrics would register them here."""
    calls = [n for n in ast.walk(ast.parse(inspect.getsource(metrics))) if isinstance(n, ast.Call)]
    texts = [[a.value for a in call.args[:2] if isinstance(a, ast.Constant)] for call in calls]
    pairs = [(str(text[0]), str(text[1])) for text in texts if len(text) == 2]
    return {name: meaning for name, meaning in pairs if name.startswith("mlops_")}
