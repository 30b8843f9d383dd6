"""`make bench-serving`: our service in three languages beside what people would run instead.

All servers run at the same time, each on one core with all its processes; the load comes from
another core, in rounds over all servers, so that each meets the same machine.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from bentos.tables import ARROW_STREAM
from ci.console import say, step
from ci.errors import MlopsError
from ci.files import write_json
from ci.repository import Repository
from ci.setup import apt
from tests.benchmarks.results import this_machine
from tests.benchmarks.serving import models, servers
from tests.benchmarks.serving.bounds import Bound, Starts, bounds, table
from tests.benchmarks.serving.measured import Measured, Point, figures
from tests.benchmarks.serving.servers import CORES, ONE_CORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.benchmarks.serving.servers import Server

# Many and short: the same server is twice as fast in one second as in the next on a machine that
# is shared, and a ratio is of what ran side by side.
ROUNDS = 8
SECONDS = 1.0
STARTS = 3
PLUMBER = "plumber is missing: on Debian or Ubuntu `sudo apt-get install r-cran-plumber`."
POINTS = [Point(1, 1), Point(16, 1), Point(64, 1), Point(1, 1000), Point(16, 1000)]
ARROW_POINT = Point(1, 1000, "arrow")
STARTERS: dict[str, Callable[[Path], Server]] = {
    "ours python": lambda folder: servers.ours(folder, "python"),
    "ours r": lambda folder: servers.ours(folder, "r"),
    "ours julia": lambda folder: servers.ours(folder, "julia"),
    "fastapi": servers.fastapi,
    "bare asgi": servers.bare,
    "mlflow": servers.mlflow,
    "plumber": servers.plumber,
}


def main() -> int:
    """Measure, print, write; 1 if a bound was missed by more than a tenth."""
    _require_plumber()
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as directory, ExitStack() as stack:
        folder = Path(directory) / "work"
        folder.mkdir()
        models.write(folder)
        with step("Starting the servers"):
            running = {name: _start(stack, folder, name) for name in STARTERS}
        for server in running.values():
            _answers_rightly(server, folder)
        found = [each for number in range(ROUNDS) for each in _round(number, running)]
        memory = {name: server.mebibytes() for name, server in running.items()}
        stack.close()
        starts = _starts(folder)
    judged = bounds(found, starts)
    print(figures(found, memory))
    print()
    print(table(judged))
    _write(found, memory, starts, judged)
    return int(any(bound.missed for bound in judged))


def _require_plumber() -> None:
    asked = ["Rscript", "-e", "quit(status = !requireNamespace('plumber', quietly = TRUE))"]
    if shutil.which("Rscript") is None or subprocess.run(asked, check=False).returncode:
        apt.install(["r-cran-plumber"], otherwise=PLUMBER)


def _start(stack: ExitStack, folder: Path, name: str) -> Server:
    server = STARTERS[name](folder)
    stack.callback(server.stop)
    return server


def _answers_rightly(server: Server, folder: Path) -> None:
    """Nobody is measured who computes something else."""
    rows = models.rows(1000)
    pairs = zip(server.ask(server.body(rows)), models.expected(folder, rows), strict=True)
    if max(abs(one - other) for one, other in pairs) > 1e-6:
        raise MlopsError("wrong_answer", f"{server.name} does not answer what the model says.")


def _round(number: int, running: dict[str, Server]) -> list[Measured]:
    found = []
    with step(f"Round {number + 1} of {ROUNDS}"):
        for point in POINTS:
            rows = models.rows(point.rows)
            for name, server in running.items():
                measured = server.load(point.connections, SECONDS, server.body(rows))
                found.append(Measured(number, name, point, **measured))
        for name in ("ours python", "ours r", "ours julia"):
            body = _arrow(models.rows(ARROW_POINT.rows))
            measured = running[name].load(1, SECONDS, body, ARROW_STREAM)
            found.append(Measured(number, name, ARROW_POINT, **measured))
    return found


def _arrow(rows: list[dict[str, float]]) -> bytes:
    arrow = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    return sink.getvalue()


def _starts(folder: Path) -> dict[str, Starts]:
    """Of each budget of cores: seconds from the start of a process until `/readyz`, in turns."""
    found = {}
    for budget, cores in {"one core": ONE_CORE, "all cores": CORES}.items():
        with step(f"Cold starts on {budget}"):
            pairs = [_pair(folder, cores) for _ in range(STARTS)]
        found[budget] = Starts(*map(list, zip(*pairs, strict=True)))
    return found


def _pair(folder: Path, cores: Iterable[int]) -> tuple[float, float]:
    ours = servers.ours(folder, "python", cores)
    ours.stop()
    plain = servers.plain_bento(folder, cores)
    plain.stop()
    return ours.start_seconds, plain.start_seconds


def _write(
    found: list[Measured],
    memory: dict[str, float],
    starts: dict[str, Starts],
    judged: list[Bound],
) -> None:
    repository = Repository.find()
    path = repository.state_dir / "bench" / "serving.json"
    document = {
        "machine": this_machine(),
        "seconds": SECONDS,
        "measured": [asdict(each) for each in found],
        "mebibytes": memory,
        "start_seconds": {budget: asdict(each) for budget, each in starts.items()},
        "bounds": [{**asdict(each), "missed": each.missed} for each in judged],
    }
    write_json(path, document)
    say(f"Written to {repository.relative(path)}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MlopsError as error:
        sys.exit(f"Error: {error.message}")
