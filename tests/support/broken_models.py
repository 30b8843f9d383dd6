"""Model code in each language that answers as any contract wants, or breaks as it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from ci.contract.columns import Scalar
from ci.contract.model import ModelContract
from tests.support.services import Running

ACTION_FILE = "what-to-do.txt"

PYTHON = """\
import os
from pathlib import Path

import pandas as pd


def load_model(directory):
    return Path(directory) / "ACTION_FILE"


def predict(model, rows):
    action = model.read_text()
    if action == "raise":
        raise ValueError("a secret of the model")
    if action == "exit":
        os._exit(3)
    while action == "loop":
        pass
    return pd.DataFrame({ANSWER}, index=range(len(rows)))
"""

R = """\
load_model <- function(directory) file.path(directory, "ACTION_FILE")

predict_rows <- function(model, rows) {
  action <- readLines(model, warn = FALSE)
  if (action == "raise") stop("a secret of the model")
  if (action == "exit") quit("no", 3)
  while (action == "loop") {}
  data.frame(ANSWER, stringsAsFactors = FALSE)[rep(1L, nrow(rows)), , drop = FALSE]
}
"""

JULIA = """\
load_model(directory) = joinpath(directory, "ACTION_FILE")

function predict_rows(model, rows)
    action = read(model, String)
    action == "raise" && error("a secret of the model")
    action == "exit" && exit(3)
    while action == "loop"
    end
    count = length(first(rows))
    return (ANSWER,)
end
"""

TEMPLATES = {"python": PYTHON, "r": R, "julia": JULIA}
ENTRIES = {"python": "{name!r}: {value}", "r": "{name} = {value}", "julia": "{name} = {value}"}


def source(contract: ModelContract) -> str:
    """A predict file in the contract's language whose answers the contract allows."""
    entries = [
        ENTRIES[contract.language].format(name=name, value=_literal(contract, column.sample()))
        for name, column in contract.output.items()
    ]
    answer = ", ".join(entries)
    template = TEMPLATES[contract.language]
    return template.replace("ACTION_FILE", ACTION_FILE).replace("ANSWER", answer)


def _literal(contract: ModelContract, value: Scalar | None) -> str:
    """``value`` as the language writes it; a column of it in Julia."""
    if contract.language == "python":
        return repr(value)
    text = json.dumps(value)
    if contract.language == "r":
        return text.upper() if isinstance(value, bool) else text
    return f"fill({text.replace('$', chr(92) + '$')}, count)"


@dataclass(frozen=True)
class Broken:
    """A served model whose code reads what to do at each call."""

    service: Running
    action: Path

    def predict(self, action: str, row: Mapping[str, object]) -> httpx.Response:
        """One call during which the model's code does ``action``."""
        self.action.write_text(action)
        return self.service.client.post("/predict", json={"rows": [row]})
