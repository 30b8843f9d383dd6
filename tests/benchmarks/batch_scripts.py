"""The models of the batch benchmark, and what scores them in their own language on all cores."""

from __future__ import annotations

import sys

PYTHON_LOAD = """\
from pathlib import Path

import numpy as np


def load_model(directory):
    return np.loadtxt(Path(directory) / "weights.csv", delimiter=",")


"""
R_LOAD = """\
load_model <- function(directory) {
  as.matrix(read.csv(file.path(directory, "weights.csv"), header = FALSE))
}
"""
JULIA_LOAD = """\
using DelimitedFiles
load_model(directory) = readdlm(joinpath(directory, "weights.csv"), ',', Float64)
"""
PREDICT = {
    "nearest": {
        "python": PYTHON_LOAD
        + """\
def predict(model, rows):
    points = rows.to_numpy()
    distances = (model**2).sum(axis=1) - 2 * points @ model.T
    return distances.min(axis=1) + (points**2).sum(axis=1)
""",
        "r": R_LOAD
        + """\
predict_rows <- function(model, rows) {
  points <- as.matrix(rows)
  distances <- rep(rowSums(model^2), each = nrow(points)) - 2 * tcrossprod(points, model)
  nearest <- max.col(-distances, ties.method = "first")
  distances[cbind(seq_len(nrow(points)), nearest)] + rowSums(points^2)
}
""",
        "julia": JULIA_LOAD
        + """\
distance(model, centre, rows, row) =
    sum((model[centre, i] - rows[i][row])^2 for i in 1:size(model, 2))
predict_rows(model, rows) =
    [minimum(distance(model, c, rows, row) for c in 1:size(model, 1)) for row in eachindex(rows[1])]
""",
    },
    "linear": {
        "python": PYTHON_LOAD
        + """\
def predict(model, rows):
    return sum(weight * rows[f"x{i + 1}"] for i, weight in enumerate(model[0]))
""",
        "r": R_LOAD
        + "predict_rows <- function(model, rows) as.vector(as.matrix(rows) %*% model[1, ])\n",
        "julia": JULIA_LOAD
        + "predict_rows(model, rows) = sum(model[1, i] .* rows[i] for i in 1:size(model, 2))\n",
    },
}

# File, program, source. Python and R fork a process for each core, Julia has threads for them.
DIRECT = {
    "python": (
        "direct.py",
        [sys.executable],
        """\
import os
import sys
from multiprocessing import get_context

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import pandas as pd
from predict import load_model, predict

model = load_model("artifact")


def score(rows):
    rows["y"] = predict(model, rows[["x1", "x2", "x3", "x4"]])
    return rows.to_csv(header=False, index=False)


with get_context("fork").Pool() as pool, open(sys.argv[2], "w") as file:
    file.write("x1,x2,x3,x4,y\\n")
    for text in pool.imap(score, pd.read_csv(sys.argv[1], chunksize=10_000)):
        file.write(text)
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
score <- function(i) predict_rows(model, inputs[i, ])
rows$y <- unlist(
  parallel::mclapply(pieces, score, mc.cores = parallel::detectCores()), use.names = FALSE
)
data.table::fwrite(rows, files[2])
""",
    ),
    "julia": (
        "direct.jl",
        ["julia", "--startup-file=no", "--threads=auto"],
        """\
using DelimitedFiles
include("predict.jl")

function score(source, target)
    model = load_model("artifact")
    values, header = readdlm(source, ',', Float64, header = true)
    columns = Dict(name => i for (i, name) in enumerate(header))
    inputs = (:x1, :x2, :x3, :x4)
    pieces = collect(Iterators.partition(1:size(values, 1), 10000))
    piece(rows) = NamedTuple{inputs}(Tuple(values[rows, columns[string(x)]] for x in inputs))
    predictions = Vector{Vector{Float64}}(undef, length(pieces))
    Threads.@threads for i in eachindex(pieces)
        predictions[i] = predict_rows(model, piece(pieces[i]))
    end
    writedlm(target, [[header "y"]; values reduce(vcat, predictions)], ',')
end

score(ARGS[1], ARGS[2])
""",
    ),
}
