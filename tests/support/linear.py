"""A straight line through prices and units, trained and served in each language.

A training holds while `.mlops/hold` exists, with half of the model written and its process in
`.mlops/training.pid`. ``train.shrinkage`` of params.yaml makes the line worse.
"""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import yaml

from ci.repository import Repository
from tests.support.repositories import contract

STORES, DAYS = 30, 60
SHIFT = 35.0
TABLE = "../../data/sales/tables/sales.csv"

PYTHON_TRAIN = """\
import csv, json, os, sys, time

shrinkage = float(sys.argv[1])
os.makedirs("artifact", exist_ok=True)
os.makedirs("evaluation", exist_ok=True)
with open("artifact/line.csv", "w") as file:
    file.write("1e9,")
if os.path.exists("../../.mlops/hold"):
    with open("../../.mlops/training.pid", "w") as file:
        file.write(str(os.getpid()) + "\\n")
while os.path.exists("../../.mlops/hold"):
    time.sleep(0.05)
with open("TABLE", newline="") as file:
    rows = list(csv.DictReader(file))
days = sorted({row["day"] for row in rows})
train = [row for row in rows if row["day"] < days[20]]
reference = [row for row in rows if days[20] <= row["day"] < days[40]]
analysis = [row for row in rows if row["day"] >= days[40]]
x = [float(row["price"]) for row in train]
y = [float(row["units"]) for row in train]
mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)
slope *= 1 - shrinkage
with open("artifact/line.csv", "w") as file:
    file.write(f"{mean_y - slope * mean_x!r},{slope!r}\\n")
for name, part in {"holdout": reference, "reference": reference, "analysis": analysis}.items():
    with open(f"evaluation/{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "mean_units"])
        writer.writeheader()
        writer.writerows({**row, "mean_units": mean_y} for row in part)
with open("metrics.json", "w") as file:
    json.dump({"slope": slope}, file)
"""

PYTHON_PREDICT = """\
from pathlib import Path


def load_model(directory):
    return [float(each) for each in (Path(directory) / "line.csv").read_text().split(",")]


def predict(model, rows):
    return model[0] + model[1] * rows["price"]
"""

R_TRAIN = """\
shrinkage <- as.numeric(commandArgs(TRUE)[1])
dir.create("artifact", showWarnings = FALSE)
dir.create("evaluation", showWarnings = FALSE)
cat("1e9,", file = "artifact/line.csv")
if (file.exists("../../.mlops/hold")) {
  cat(Sys.getpid(), "\\n", file = "../../.mlops/training.pid")
}
while (file.exists("../../.mlops/hold")) Sys.sleep(0.05)
rows <- read.csv("TABLE", stringsAsFactors = FALSE)
days <- sort(unique(rows$day))
train <- rows[rows$day < days[21], ]
line <- coef(lm(units ~ price, data = train))
slope <- line[["price"]] * (1 - shrinkage)
intercept <- mean(train$units) - slope * mean(train$price)
writeLines(paste(format(c(intercept, slope), digits = 17), collapse = ","), "artifact/line.csv")
rows$mean_units <- mean(train$units)
reference <- rows[rows$day >= days[21] & rows$day < days[41], ]
analysis <- rows[rows$day >= days[41], ]
write.csv(reference, "evaluation/holdout.csv", row.names = FALSE, quote = FALSE)
write.csv(reference, "evaluation/reference.csv", row.names = FALSE, quote = FALSE)
write.csv(analysis, "evaluation/analysis.csv", row.names = FALSE, quote = FALSE)
writeLines(sprintf('{"slope": %.17g}', slope), "metrics.json")
"""

R_PREDICT = """\
load_model <- function(directory) {
  as.numeric(strsplit(readLines(file.path(directory, "line.csv")), ",")[[1]])
}

predict_rows <- function(model, rows) model[1] + model[2] * rows$price
"""

JULIA_TRAIN = """\
shrinkage = parse(Float64, ARGS[1])
mkpath("artifact")
mkpath("evaluation")
write("artifact/line.csv", "1e9,")
isfile("../../.mlops/hold") && write("../../.mlops/training.pid", string(getpid(), "\\n"))
while isfile("../../.mlops/hold")
    sleep(0.05)
end
lines = readlines("TABLE")
names = split(lines[1], ",")
rows = [split(line, ",") for line in lines[2:end]]
column(rows, name) = [row[findfirst(isequal(name), names)] for row in rows]
days = sort(unique(column(rows, "day")))
each_day = column(rows, "day")
part(from, to) = rows[days[from] .<= each_day .<= days[to]]
x = parse.(Float64, column(part(1, 20), "price"))
y = parse.(Float64, column(part(1, 20), "units"))
mean(values) = sum(values) / length(values)
slope = sum((x .- mean(x)) .* (y .- mean(y))) / sum((x .- mean(x)) .^ 2) * (1 - shrinkage)
write("artifact/line.csv", string(mean(y) - slope * mean(x), ",", slope, "\\n"))
periods = ("holdout" => (21, 40), "reference" => (21, 40), "analysis" => (41, length(days)))
for (name, (first_day, last_day)) in periods
    open("evaluation/$name.csv", "w") do file
        println(file, lines[1], ",mean_units")
        for row in part(first_day, last_day)
            println(file, join(row, ","), ",", mean(y))
        end
    end
end
write("metrics.json", "{\\"slope\\": $slope}\\n")
"""

JULIA_PREDICT = """\
function load_model(directory)
    return parse.(Float64, split(readline(joinpath(directory, "line.csv")), ","))
end

predict_rows(model, rows) = model[1] .+ model[2] .* rows.price
"""

TRAIN_FILES = {"python": "train.py", "r": "train.R", "julia": "train.jl"}
PREDICT_FILES = {"python": "predict.py", "r": "predict.R", "julia": "predict.jl"}
PROGRAMS = {"python": "python", "r": "Rscript", "julia": "julia --startup-file=no"}
TRAINING = {"python": PYTHON_TRAIN, "r": R_TRAIN, "julia": JULIA_TRAIN}
PREDICTING = {"python": PYTHON_PREDICT, "r": R_PREDICT, "julia": JULIA_PREDICT}


def write_sales(path: Path) -> None:
    """Prices and units of each store and day; in the last third the prices are higher."""
    draw = random.Random(7)  # noqa: S311 (no secret)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["store", "region", "day", "price", "units"])
        for day in range(DAYS):
            for store in range(STORES):
                price = round(draw.uniform(10, 60) + (SHIFT if day >= 40 else 0), 2)
                units = round(400 - 3 * price + draw.gauss(0, 15), 2)
                region = "north" if store < STORES / 2 else "south"
                name, when = f"s{store + 1:02}", date(2026, 1, 1) + timedelta(day)
                writer.writerow([name, region, when.isoformat(), price, units])


def write_linear_model(repository: Repository, name: str, language: str) -> Path:
    """A model folder that trains on the dataset `sales` in a second; returns it."""
    folder = repository.models_dir / name
    folder.mkdir(parents=True)
    (folder / TRAIN_FILES[language]).write_text(TRAINING[language].replace("TABLE", TABLE))
    (folder / PREDICT_FILES[language]).write_text(PREDICTING[language])
    (folder / "README.md").write_text("# A line through prices and units\n")
    (folder / "model.yaml").write_text(yaml.safe_dump(_contract(name, language), sort_keys=False))
    (folder / "dvc.yaml").write_text(yaml.safe_dump(_pipeline(language), sort_keys=False))
    set_shrinkage(folder, 0.0)
    return folder


def set_shrinkage(folder: Path, value: float) -> None:
    """How much worse than the best line the next one is: 0 not at all, 1 flat."""
    (folder / "params.yaml").write_text(yaml.safe_dump({"train": {"shrinkage": value}}))


def _contract(name: str, language: str) -> dict[str, object]:
    return contract(
        name,
        language=language,
        description="Units that a store sells a day at a price.",
        input={
            "price": {"type": "number", "unit": "dollars", "minimum": 0, "maximum": 100},
            "region": {"type": "string", "categories": ["north", "south"], "nullable": True},
        },
        output={"units": {"type": "number", "unit": "units"}},
        evaluation={
            "holdout": "evaluation/holdout.csv",
            "target": "units",
            "metric": "mae",
            "also": ["wape"],
            "unit": "store",
            "slices": ["region"],
            "baselines": {"mean": "mean_units"},
        },
        batch={"schedule": "17 5 * * 1", "input": "evaluation/analysis.csv"},
        monitoring={
            "timestamp": "day",
            "chunk": "day",
            "reference": "evaluation/reference.csv",
            "analysis": "evaluation/analysis.csv",
        },
        parameters={
            "train.shrinkage": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "owner": "marketing",
                "description": "Draws the slope towards zero.",
            }
        },
    )


def _pipeline(language: str) -> dict[str, object]:
    train = TRAIN_FILES[language]
    outs = [
        "artifact",
        *(f"evaluation/{name}.csv" for name in ("holdout", "reference", "analysis")),
    ]
    stage = {
        "cmd": f"{PROGRAMS[language]} {train} ${{train.shrinkage}}",
        "deps": [train, TABLE],
        "outs": outs,
        "metrics": [{"metrics.json": {"cache": False}}],
    }
    return {"stages": {"train": stage}}
