"""The page that a person sees at `/docs`; it needs nothing from any other address."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from bentos.snippets import ADDRESS, snippets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.bundle import Bundle

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem }}
table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #bbb; padding: .3rem .6rem; text-align: left; vertical-align: top }}
pre {{ background: #f3f3f3; padding: 1rem; overflow-x: auto }}
</style>
<h1>{name}</h1>
<p>{description}</p>
<p>Version {version}, owned by {owner}.</p>
<h2>What it takes</h2>
{inputs}
<h2>What it answers</h2>
{outputs}
<h2>A request that works</h2>
<pre>{request}</pre>
<h2>From a program</h2>
<p>Put this page's address without <code>docs</code> in the place of {address}. Where the service
asks for a key, add the header <code>Authorization: Bearer KEY</code>.</p>
{snippets}
<p>More: <a href="docs.json">OpenAPI document</a>, <a href="metadata">metadata</a>,
<a href="metrics">metrics</a>.</p>
</html>
"""


def docs(bundle: Bundle, document: Mapping[str, Any]) -> bytes:
    """The page, from the model's OpenAPI document."""
    schemas = document["components"]["schemas"]
    outputs = schemas["Prediction"].get("properties")
    if outputs is None:
        outputs = {next(iter(bundle.outputs)): schemas["Prediction"]}
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    request = (
        f"POST predict\nContent-Type: application/json\n\n{json.dumps(body['example'], indent=2)}"
    )
    return PAGE.format(
        name=html.escape(bundle.name),
        description=html.escape(bundle.contract["description"]),
        version=html.escape(str(document["info"]["version"])),
        owner=html.escape(bundle.contract["owner"]),
        inputs=_table(schemas["Row"]["properties"]),
        outputs=_table(outputs),
        request=html.escape(request),
        address=ADDRESS,
        snippets="".join(
            f'<h3>{title}</h3><pre id="{key}">{html.escape(text)}</pre>'
            for key, (title, text) in snippets(bundle).items()
        ),
    ).encode()


def _table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code><td>{schema['type']}"
        f"<td>{html.escape(_words(schema))}"
        for name, schema in columns.items()
    )
    return f"<table><tr><th>Column<th>Type<th>Meaning{rows}</table>"


def _words(schema: Mapping[str, Any]) -> str:
    words = str(schema["description"])
    values = [str(value) for value in schema.get("enum", []) if value is not None]
    return f"{words} One of {', '.join(values)}." if values else words
