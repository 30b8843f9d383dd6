"""Tiny models in each language, their Bentos, and real `bentoml serve` processes of them."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

import ci
from bentos.build import build
from bentos.bundle import PREDICT_FILES
from bentos.serve import serve_command, serve_environment
from ci.contract.model import ModelContract

LOCK = Path(ci.__file__).parent / "locks" / "serving.txt"
START_SECONDS = 90
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"]  # even where we are killed
MODES = [
    *("ok", "raise", "hang", "slow", "die", "nan", "short"),
    *("loop", "print", "memory", "type", "large", "children"),
]

CHILDREN = "seq 200 | while read number; do sleep 300 & done"
# y = 2 x + n, where n is 0 if missing; the first `mode` that is not ok makes the model misbehave.
SOURCES = {
    "python": """
import os, time
from pathlib import Path

import numpy as np

def load_model(directory):
    return float((Path(directory) / "slope.txt").read_text())

def predict(model, rows):
    mode = next((each for each in rows["mode"] if each != "ok"), "ok")
    if mode == "raise":
        raise ValueError("a secret of the model")
    if mode == "hang":
        time.sleep(600)
    if mode == "slow":
        print("a slow call", flush=True)
        time.sleep(1)
    if mode == "die":
        os._exit(3)
    while mode == "loop":
        pass
    if mode == "print":
        print("printed " * 500_000)
    kept = []
    while mode == "memory":
        kept.append(np.ones(10_000_000))
    if mode == "type":
        return ["two"] * len(rows)
    if mode == "large":
        return np.ones(12_500_000)
    if mode == "children":
        os.system("CHILDREN")
    y = model * rows["x"] + rows["n"].fillna(0).astype(float)
    if mode == "nan":
        y = y * float("nan")
    return y[:-1] if mode == "short" else y
""",
    "r": """
load_model <- function(directory) as.numeric(readLines(file.path(directory, "slope.txt")))

predict_rows <- function(model, rows) {
  mode <- c(rows$mode[rows$mode != "ok"], "ok")[1]
  if (mode == "raise") stop("a secret of the model")
  if (mode == "hang") Sys.sleep(600)
  if (mode == "slow") {
    cat("a slow call\n")
    Sys.sleep(1)
  }
  if (mode == "die") quit(status = 3)
  while (mode == "loop") {}
  if (mode == "print") cat(rep("printed", 500000))
  kept <- list()
  while (mode == "memory") kept[[length(kept) + 1]] <- numeric(1e7) + 1
  if (mode == "type") return(rep("two", nrow(rows)))
  if (mode == "large") return(rep(1, 12500000))
  if (mode == "children") system("CHILDREN")
  y <- model * rows$x + ifelse(is.na(rows$n), 0, rows$n)
  if (mode == "nan") y <- y * NaN
  if (mode == "short") y[-1] else y
}
""",
    "julia": """
load_model(directory) = parse(Float64, readline(joinpath(directory, "slope.txt")))

function predict_rows(model, rows)
    mode = first([filter(!=("ok"), rows.mode); "ok"])
    mode == "raise" && error("a secret of the model")
    mode == "hang" && sleep(600)
    if mode == "slow"
        println("a slow call")
        flush(stdout)
        sleep(1)
    end
    mode == "die" && exit(3)
    while mode == "loop"
    end
    mode == "print" && println(repeat("printed ", 500_000))
    kept = Vector{Float64}[]
    while mode == "memory"
        push!(kept, ones(10_000_000))
    end
    mode == "type" && return fill("two", length(rows.x))
    mode == "large" && return ones(12_500_000)
    mode == "children" && run(`sh -c "CHILDREN"`)
    y = model .* rows.x .+ coalesce.(rows.n, 0)
    mode == "nan" && (y = y .* NaN)
    return mode == "short" ? y[2:end] : y
end
""",
}
SOURCES = {key: text.replace("CHILDREN", CHILDREN) for key, text in SOURCES.items()}


def contract(language: str, **serving: Any) -> dict[str, Any]:
    """The contract of the tiny model, as `contract.json` has it."""
    limits = {"timeout_seconds": 6, "max_rows": 1000, "max_body_bytes": 200_000} | serving
    model = ModelContract.model_validate(
        {
            "name": f"tiny-{language}",
            "owner": "marketing",
            "language": language,
            "task": "regression",
            "description": "Doubles x.",
            "datasets": ["numbers"],
            "input": {
                "x": {"type": "number", "unit": "euro", "minimum": -100, "maximum": 100},
                "n": {"type": "integer", "nullable": True, "description": "How many."},
                "mode": {"type": "string", "categories": MODES, "example": "ok"},
            },
            "output": {"y": {"type": "number", "unit": "euro"}},
            "evaluation": {
                "holdout": "evaluation/holdout.csv",
                "target": "y_real",
                "metric": "mae",
                "unit": "x",
                "baselines": {"zero": "zero"},
            },
            "serving": limits,
        }
    )
    return model.model_dump(mode="json")


def build_tiny(
    root: Path,
    language: str,
    source: str | None = None,
    rules: dict[str, Any] | None = None,
    version: str = "1" * 40,
) -> Path:
    """The Bento of the tiny model, or of ``source`` and ``rules``, in a store below ``root``."""
    folder = root / "model"
    (folder / "artifact").mkdir(parents=True, exist_ok=True)
    (folder / "artifact" / "slope.txt").write_text("2.0\n")
    predict = folder / PREDICT_FILES[language]
    predict.write_text(source or SOURCES[language])
    rules = rules or contract(language)
    return build(
        store=root / "bentoml",
        name=rules["name"],
        version=version,
        contract=rules,
        folder=folder,
        sources=[predict],
        artifact=folder / "artifact",
        requirements=LOCK,
    )


@dataclass
class Running:
    """A served Bento and a client of it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def predict(self, *rows: dict[str, Any]) -> httpx.Response:
        """POST the rows; `mode` is ok where a row does not say."""
        body = {"rows": [{"mode": "ok", **row} for row in rows]}
        return self.client.post("/predict", json=body)

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def api(self) -> psutil.Process:
        """The process that answers HTTP."""
        return psutil.Process(self.process.pid).children()[0]

    def workers(self) -> list[psutil.Process]:
        """The processes that run the model's code."""
        below: list[psutil.Process] = self.api().children()
        return below

    def wait_until_answered(self) -> httpx.Response:
        """The first answer of `/readyz`, which comes only when the model is loaded or refused."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.client.get("/readyz")
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.05)
        raise AssertionError(f"no answer: {self.log.read_text()}")

    def stop(self) -> None:
        """SIGTERM, and wait for the end of the whole family."""
        family = self.family() if self.process.poll() is None else []
        self.process.terminate()
        self.process.wait(START_SECONDS)
        self.client.close()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        assert not alive, f"still running after the end of the service: {alive}"


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(
    bento: Path, directory: Path, release: Path | None = None, access: Path | None = None
) -> Running:
    """Start the Bento; it may not answer yet. Its log, home and records are in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), directory / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*DIES_WITH_US, *serve_command(bento, port)],
            cwd=bento,
            env=serve_environment(release, directory / "home", directory / "records", access),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Running(process, port, log)
