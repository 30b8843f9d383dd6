"""The page at `/` for people who do not program: a form, a CSV to fill, and what the model is.

It needs nothing from any other address.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.bundle import Bundle

HERE = Path(__file__).resolve().parent


def form(bundle: Bundle, document: Mapping[str, Any]) -> bytes:
    """The page, from the model's contract and its OpenAPI document."""
    schemas = document["components"]["schemas"]["Row"]["properties"]
    example = bundle.example_row()
    fields = "\n".join(
        _field(name, rules, schemas[name], example[name]) for name, rules in bundle.inputs.items()
    )
    said = {
        "name": bundle.name,
        "description": bundle.contract["description"],
        "about": _about(bundle),
        "judged": _judged(bundle),
        "columns": ", ".join(bundle.inputs),
        "rows": f"{bundle.limits['max_rows']:,}",
    }
    about = {
        "outputs": list(bundle.outputs),
        "units": [rules.get("unit") or "" for rules in bundle.outputs.values()],
        "inputs": {name: rules["type"] for name, rules in bundle.inputs.items()},
        "rows": bundle.limits["max_rows"],
        "bytes": bundle.limits["max_body_bytes"],
        "name": bundle.name,
    }
    page = (HERE / "form.html").read_text(encoding="utf-8")
    for key, text in said.items():
        page = page.replace(f"[[{key}]]", html.escape(text))
    # A contract's text can't end the script that it stands in.
    script = json.dumps(about).replace("<", "\\u003c")
    return page.replace("[[fields]]", fields).replace("[[model]]", script).encode()


def _about(bundle: Bundle) -> str:
    version = "candidate" if bundle.version is None else str(bundle.version)
    return f"Version {version}, owned by {bundle.contract['owner']}"


def _judged(bundle: Bundle) -> str:
    """How it did when it was judged. Not in the Bento: a candidate is packaged before."""
    evaluation = bundle.release.get("evaluation")
    if not evaluation:
        return "This version was not judged yet, or that was not kept."
    return f"Judged on {evaluation['at'][:10]}. {evaluation['said']}"


def _field(name: str, rules: Mapping[str, Any], schema: Mapping[str, Any], example: Any) -> str:
    label, quoted = html.escape(name.replace("_", " ")), html.escape(name)
    unit = f" <span>({html.escape(rules['unit'])})</span>" if rules.get("unit") else ""
    required = "" if rules.get("nullable") else " required"
    attributes = f'id="f-{quoted}" name="{quoted}" aria-describedby="d-{quoted}"{required}'
    return (
        f'<div><label for="f-{quoted}">{label}{unit}</label>'
        f"{_control(rules, attributes, example)}"
        f'<p id="d-{quoted}">{html.escape(schema["description"])}</p></div>'
    )


def _control(rules: Mapping[str, Any], attributes: str, example: Any) -> str:
    kind = rules["type"]
    choices = rules.get("categories") or (["true", "false"] if kind == "boolean" else None)
    if choices:
        shown = str(example).lower() if kind == "boolean" else str(example)
        empty = "<option></option>" if rules.get("nullable") else ""
        options = "".join(
            f"<option{' selected' if choice == shown else ''}>{html.escape(choice)}</option>"
            for choice in choices
        )
        return f"<select {attributes}>{empty}{options}</select>"
    value = html.escape(str(example))
    if kind == "string":
        return f'<input {attributes} value="{value}">'
    limits = "".join(
        f' {short}="{rules[key]:g}"'
        for short, key in (("min", "minimum"), ("max", "maximum"))
        if rules.get(key) is not None
    )
    step = "1" if kind == "integer" else "any"
    return f'<input type="number" step="{step}"{limits} {attributes} value="{value}">'
