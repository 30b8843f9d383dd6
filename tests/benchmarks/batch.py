"""Rows scored a second, against a script in the model's language that does the same alone.

A linear model, so that what is measured is the platform and not the model. Both are whole
programs: they start, read the CSV, load the model, predict in pieces of the same size, write
the CSV with the predictions, and end. The platform also checks each value against the contract.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from bentos.runners import LANGUAGES
from ci.console import say
from ci.contract.model import ModelContract
from ci.evaluate.candidate import Servable
from ci.score import score_with
from tests.benchmarks.results import Result
from tests.support.repositories import contract

ROWS = 200_000
REPEATS = 3
INPUTS = ("x1", "x2", "x3", "x4")

PREDICT = {
    "python": """\
from pathlib import Path


def load_model(directory):
    return [float(line) for line in (Path(directory) / "weights.txt").read_text().split()]


def predict(model, rows):
    return sum(weight * rows[f"x{i + 1}"] for i, weight in enumerate(model))
""",
    "r": """\
load_model <- function(directory) scan(file.path(directory, "weights.txt"), quiet = TRUE)
predict_rows <- function(model, rows) as.vector(as.matrix(rows) %*% model)
""",
    "julia": """\
load_model(directory) = parse.(Float64, readlines(joinpath(directory, "weights.txt")))
predict_rows(model, rows) = sum(model[i] * rows[i] for i in 1:length(model))
""",
}

DIRECT = {
    "python": (
        "direct.py",
        [sys.executable],
        """\
import sys
import pandas as pd
from predict import load_model, predict

model = load_model("artifact")
for number, rows in enumerate(pd.read_csv(sys.argv[1], chunksize=10_000)):
    rows["y"] = predict(model, rows[["x1", "x2", "x3", "x4"]])
    rows.to_csv(sys.argv[2], mode="a" if number else "w", header=not number, index=False)
""",
    ),
    "r": (
        "direct.R",
        ["Rscript"],
        """\
files <- commandArgs(trailingOnly = TRUE)
source("predict.R")
model <- load_model("artifact")
rows <- data.table::fread(files[1], data.table = FALSE)
pieces <- split(seq_len(nrow(rows)), (seq_len(nrow(rows)) - 1) %/% 10000)
inputs <- rows[c("x1", "x2", "x3", "x4")]
rows$y <- unlist(lapply(pieces, function(i) predict_rows(model, inputs[i, ])), use.names = FALSE)
data.table::fwrite(rows, files[2])
""",
    ),
    "julia": (
        "direct.jl",
        ["julia", "--startup-file=no"],
        """\
using DelimitedFiles
include("predict.jl")

function score(source, target)
    model = load_model("artifact")
    values, header = readdlm(source, ',', Float64, header = true)
    columns = Dict(name => i for (i, name) in enumerate(header))
    inputs = (:x1, :x2, :x3, :x4)
    pieces = Iterators.partition(1:size(values, 1), 10000)
    piece(rows) = NamedTuple{inputs}(Tuple(values[rows, columns[string(x)]] for x in inputs))
    predictions = reduce(vcat, [predict_rows(model, piece(rows)) for rows in pieces])
    writedlm(target, [[header "y"]; values predictions], ',')
end

score(ARGS[1], ARGS[2])
""",
    ),
}


def run() -> list[Result]:
    """Per language: rows a second through the platform, and in the language alone."""
    return [_measure(language) for language in PREDICT]


def _measure(language: str) -> Result:
    title = LANGUAGES[language].title
    say(f"batch: {title}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(language, folder)
        ours = [sys.executable, "-m", "tests.benchmarks.batch", language, str(folder)]
        file, program, _ = DIRECT[language]
        theirs = [*program, file, "rows.csv", "direct.csv"]
        times = [(_seconds(ours), _seconds(theirs, folder)) for _ in range(REPEATS)]
        _require_same(folder)
    mine, alone = (ROWS / median(column) for column in zip(*times, strict=True))
    return Result("batch", f"{title}, against {title} alone", mine, alone, "rows/s")


def _write(language: str, folder: Path) -> None:
    (folder / "artifact").mkdir()
    (folder / "artifact" / "weights.txt").write_text("0.5\n-1.25\n2\n0.125\n")
    (folder / LANGUAGES[language].predict_file).write_text(PREDICT[language])
    file, _, source = DIRECT[language]
    (folder / file).write_text(source)
    values = np.random.default_rng(7).standard_normal((ROWS, len(INPUTS))).round(6)
    header = ",".join(INPUTS)
    np.savetxt(folder / "rows.csv", values, "%.6f", ",", header=header, comments="")


def _seconds(command: list[str], folder: Path | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def _require_same(folder: Path) -> None:
    """Two programs that do different things can't be compared."""
    ours, theirs = (
        np.loadtxt(folder / file, delimiter=",", skiprows=1) for file in ("ours.csv", "direct.csv")
    )
    np.testing.assert_allclose(ours, theirs)


def score(language: str, folder: Path) -> None:
    """Score the rows in ``folder`` through the platform."""
    inputs = {name: {"type": "number"} for name in INPUTS}
    rules = ModelContract.model_validate(contract("linear", language=language, input=inputs))
    servable = Servable(folder / rules.predict_file, folder / "artifact", rules, None, "")
    score_with(servable, folder / "rows.csv", folder / "ours.csv", folder / "state")


if __name__ == "__main__":
    score(sys.argv[1], Path(sys.argv[2]))
