"""How callers ask a model, in the languages that they use; each asks for the contract's example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.bundle import Bundle

ADDRESS = "ADDRESS"

CURL = """\
curl -s [[address]]/predict -H 'Content-Type: application/json' -d @- <<'ROWS'
[[body]]
ROWS
"""
PYTHON = """\
import json
import urllib.request

rows = json.loads(r'''[[rows]]''')
request = urllib.request.Request(
    "[[address]]/predict",
    data=json.dumps({"rows": rows}).encode(),
    headers={"Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)["predictions"])
"""
R = """\
library(jsonlite)

rows <- fromJSON('[[rows_in_r]]')
body <- tempfile()
writeLines(toJSON(list(rows = rows), digits = NA, na = "null"), body)
type <- shQuote("Content-Type: application/json")
command <- c("-s", "-H", type, "--data-binary", paste0("@", body), "[[address]]/predict")
answer <- system2("curl", command, stdout = TRUE)
print(fromJSON(paste(answer, collapse = ""))$predictions)
"""
POWER_QUERY = """\
let
    Rows = Json.Document("[[rows_in_m]]"),
    Answer = Json.Document(Web.Contents("[[address]]", [
        RelativePath = "predict",
        Headers = [#"Content-Type" = "application/json"],
        Content = Json.FromValue([rows = Rows])
    ])),
    Predictions = Table.FromColumns({Answer[predictions]}, {"prediction"})
in
    Predictions
"""


def snippets(bundle: Bundle) -> Mapping[str, tuple[str, str]]:
    """Title and text by key: curl, python, r, m."""
    rows: list[Any] = [bundle.example_row()]
    text = json.dumps(rows, ensure_ascii=False)
    said = {
        "address": ADDRESS,
        "rows": json.dumps(rows),  # ASCII: no quote of three can end the text
        "rows_in_r": text.replace("\\", "\\\\").replace("'", "\\'"),
        "rows_in_m": text.replace('"', '""'),
        "body": json.dumps({"rows": rows}, ensure_ascii=False),
    }
    templates = {
        "curl": ("curl", CURL),
        "python": ("Python", PYTHON),
        "r": ("R", R),
        "m": ("Power Query M, for Excel and Power BI", POWER_QUERY),
    }
    return {key: (title, _filled(text, said)) for key, (title, text) in templates.items()}


def _filled(template: str, said: Mapping[str, str]) -> str:
    for key, text in said.items():
        template = template.replace(f"[[{key}]]", text)
    return template
