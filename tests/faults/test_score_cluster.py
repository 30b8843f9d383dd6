"""Batch scoring on a Ray cluster of several machines, one of which is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.score import score_with
from tests.support.ray_cluster import Asked, score_on_cluster
from tests.support.repositories import contract
from tests.support.scoring import INPUT, rows, write_model

ROWS = 410_000  # three parts of twenty pieces
PREDICT = {
    "python": """\
import socket, time


def load_model(directory):
    return float(open(directory + "/weight.txt").read())


def predict(model, rows):
    print(socket.gethostname(), len(rows), flush=True)
    time.sleep(0.1)
    return rows["x"] * model / 3
""",
    "r": """\
load_model <- function(directory) scan(file.path(directory, "weight.txt"), quiet = TRUE)
predict_rows <- function(model, rows) {
  cat(Sys.info()[["nodename"]], nrow(rows), "\\n")
  Sys.sleep(0.1)
  rows$x * model / 3
}
""",
    "julia": """\
load_model(directory) = parse(Float64, read(joinpath(directory, "weight.txt"), String))
function predict_rows(model, rows)
    println(gethostname(), " ", length(rows.x))
    flush(stdout)
    sleep(0.1)
    return rows.x .* model ./ 3
end
""",
}


def prepare(folder: Path, language: str) -> Path:
    """A model, and some rows of which one is bad."""
    rules = contract(
        "two-thirds",
        language=language,
        input=INPUT,
        batch={"schedule": "17 5 * * 1", "input": "in.csv", "max_bad_rows": 1},
    )
    servable = write_model(folder, PREDICT[language], rules)
    (servable.artifact / "weight.txt").write_text("2.5")
    table = rows(ROWS)
    table.loc[200_005, "x"] = -1.0
    table.to_csv(folder / "in.csv", index=False)
    score_with(servable, folder / "in.csv", folder / "here.csv", folder / "here")
    return folder


def require_as_here(folder: Path, answer: str) -> None:
    assert json.loads(answer)["rows"] == ROWS - 1
    assert (folder / "out.csv").read_bytes() == (folder / "here.csv").read_bytes()
    quarantine = (folder / "out.quarantine.csv").read_bytes()
    assert quarantine == (folder / "here.quarantine.csv").read_bytes()
    assert quarantine.count(b"\n") == 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("language", "lose"),
    [("python", "killed"), ("python", "cut off"), ("r", "killed"), ("julia", "killed")],
)
def test_a_lost_machine_loses_no_row(tmp_path: Path, language: str, lose: str) -> None:
    folder = prepare(tmp_path, language)
    asked = Asked(str(folder), str(folder / "in.csv"), str(folder / "out.csv"), lose)
    done = score_on_cluster(asked)
    assert done.returncode == 0, done.stderr
    assert "Scoring on Ray: 3 nodes, 3 CPUs" in done.stderr
    require_as_here(folder, done.stdout)
    said = (folder / "state" / "logs" / "score-two-thirds.log").read_text()
    assert {line.split()[0] for line in said.splitlines()} == {"head", "node1", "node2"}
