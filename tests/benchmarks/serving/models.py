"""One linear model of eight columns, in each language and for each server."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.build import build
from bentos.bundle import PREDICT_FILES
from tests.support import services

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"x{number}" for number in range(8)]
VERSION = "b" * 40
PREDICT = {
    "python": """\
import pickle
from pathlib import Path


def load_model(directory):
    return pickle.loads((Path(directory) / "model.pickle").read_bytes())


def predict(model, rows):
    return model.predict(rows.to_numpy())
""",
    "r": """\
load_model <- function(directory) {
  as.numeric(strsplit(readLines(file.path(directory, "line.csv")), ",")[[1]])
}

predict_rows <- function(model, rows) {
  drop(as.matrix(rows) %*% model[-1]) + model[1]
}
""",
    "julia": """\
load_model(directory) = parse.(Float64, split(readline(joinpath(directory, "line.csv")), ","))

function predict_rows(model, rows)
    return hcat(values(rows)...) * model[2:end] .+ model[1]
end
""",
}
FASTAPI = """\
import pickle
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

NAMES = [f"x{number}" for number in range(8)]
model = pickle.loads((Path(__file__).parent / "artifact" / "model.pickle").read_bytes())
app = FastAPI()


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    x0: float
    x1: float
    x2: float
    x3: float
    x4: float
    x5: float
    x6: float
    x7: float


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: list[Row]


class Answer(BaseModel):
    predictions: list[float]


@app.post("/predict")
def predict(request: Request) -> Answer:
    rows = [[getattr(row, name) for name in NAMES] for row in request.rows]
    return Answer(predictions=model.predict(rows).tolist())


@app.get("/readyz")
def ready() -> bool:
    return True
"""
BARE = """\
import json
import pickle
from pathlib import Path

NAMES = [f"x{number}" for number in range(8)]
model = pickle.loads((Path(__file__).parent / "artifact" / "model.pickle").read_bytes())


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"true"
    if scope["path"] == "/predict":
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message.get("more_body")
        rows = [[row[name] for name in NAMES] for row in json.loads(b"".join(parts))["rows"]]
        body = json.dumps({"predictions": model.predict(rows).tolist()}).encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
PLAIN_BENTO = """\
import pickle
from pathlib import Path

import bentoml
from pydantic import BaseModel

NAMES = [f"x{number}" for number in range(8)]


class Row(BaseModel):
    x0: float
    x1: float
    x2: float
    x3: float
    x4: float
    x5: float
    x6: float
    x7: float


@bentoml.service(workers=1)
class Plain:
    def __init__(self):
        import pandas  # as ours does for any model

        artifact = Path(__file__).parent / "artifact"
        self.model = pickle.loads((artifact / "model.pickle").read_bytes())

    @bentoml.api
    def predict(self, rows: list[Row]) -> list[float]:
        return self.model.predict(
            [[getattr(row, name) for name in NAMES] for row in rows]
        ).tolist()
"""
PLUMBER = """\
model <- as.numeric(strsplit(readLines("artifact/line.csv"), ",")[[1]])

#* @post /predict
#* @serializer unboxedJSON list(digits = NA)
function(req) {
  rows <- req$body$rows
  list(predictions = I(drop(as.matrix(rows) %*% model[-1]) + model[1]))
}

#* @get /readyz
function() TRUE
"""


def write(folder: Path) -> None:
    """The artifact, the comparison servers' code and an MLflow model, in ``folder``."""
    import mlflow
    from sklearn.linear_model import LinearRegression

    draw = np.random.default_rng(0)
    x = draw.normal(size=(500, len(NAMES)))
    model = LinearRegression().fit(x, x @ np.arange(1.0, len(NAMES) + 1) + draw.normal(size=500))
    artifact = folder / "artifact"
    artifact.mkdir(parents=True)
    (artifact / "model.pickle").write_bytes(pickle.dumps(model))
    line = [model.intercept_, *model.coef_]
    (artifact / "line.csv").write_text(",".join(repr(float(each)) for each in line) + "\n")
    for name, text in {"fast.py": FASTAPI, "bare.py": BARE, "plain.py": PLAIN_BENTO}.items():
        (folder / name).write_text(text)
    (folder / "plumber.R").write_text(PLUMBER)
    mlflow.sklearn.save_model(
        model, folder / "mlflow", pip_requirements=[], serialization_format="pickle"
    )


def bento(folder: Path, language: str) -> Path:
    """Our Bento of the model."""
    rules = services.contract(language, max_body_bytes=4 << 20) | {"name": f"line-{language}"}
    rules |= {
        "input": {name: {"type": "number", "minimum": -1e6, "maximum": 1e6} for name in NAMES},
        "output": {"y": {"type": "number"}},
    }
    source = folder / PREDICT_FILES[language]
    source.write_text(PREDICT[language])
    return build(
        store=folder / "bentoml",
        name=rules["name"],
        version=VERSION,
        contract=rules,
        folder=folder,
        sources=[source],
        artifact=folder / "artifact",
        requirements=services.LOCK,
    )


def rows(count: int) -> list[dict[str, float]]:
    """Rows of the contract's columns, the same each time."""
    values = np.random.default_rng(count).normal(size=(count, len(NAMES))).round(4)
    return [dict(zip(NAMES, row, strict=True)) for row in values.tolist()]


def expected(folder: Path, asked: list[dict[str, Any]]) -> list[float]:
    """What every server must answer."""
    line = [float(each) for each in (folder / "artifact" / "line.csv").read_text().split(",")]
    weights = zip(NAMES, line[1:], strict=True)
    pairs = list(weights)
    return [line[0] + sum(row[name] * weight for name, weight in pairs) for row in asked]
