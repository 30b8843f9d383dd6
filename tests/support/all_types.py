"""A model with columns of every type, which takes every row that its contract allows."""

from __future__ import annotations

from typing import Any

from ci.contract.model import ModelContract
from tests.support import services

SOURCES = {
    "python": """
import pandas as pd

def load_model(directory): ...

def predict(model, rows):
    length = rows["text"].fillna("").astype(str).str.len()
    return pd.DataFrame({"label": rows["kind"], "size": length})
""",
    "r": """
load_model <- function(directory) 1

predict_rows <- function(model, rows) {
  size <- ifelse(is.na(rows$text), 0L, nchar(rows$text))
  data.frame(label = rows$kind, size = size, stringsAsFactors = FALSE)
}
""",
    "julia": """
load_model(directory) = 1

function predict_rows(model, rows)
    size = [ismissing(text) ? 0 : length(text) for text in rows.text]
    return (label = rows.kind, size = size)
end
""",
}


def contract(language: str, **serving: Any) -> dict[str, Any]:
    """Its contract, as `contract.json` has it."""
    whole = services.contract(language, **serving)
    wanted = {
        "name": f"all-types-{language}",
        "task": "ranking",
        "evaluation": whole["evaluation"] | {"metric": "ndcg"},
        "input": {
            "amount": {"type": "number", "minimum": -1e9, "maximum": 1e9},
            "any": {"type": "number", "nullable": True},
            "count": {"type": "integer", "minimum": 0, "nullable": True},
            "flag": {"type": "boolean", "nullable": True},
            "sure": {"type": "boolean"},
            "text": {"type": "string", "nullable": True},
            "kind": {"type": "string", "categories": ["a", "ä", "b c"]},
        },
        "output": {
            "label": {"type": "string"},
            "size": {"type": "integer"},
        },
    }
    return ModelContract.model_validate(whole | wanted).model_dump(mode="json")
