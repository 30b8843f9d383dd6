"""The servers of the benchmark: real processes, each on the same cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from bentos.serve import serve_command, serve_environment
from tests.benchmarks.serving import models
from tests.support.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, ONE_CORE = CORES[0], frozenset(CORES[-1:])
START_SECONDS = 90
JSON = "application/json"


@dataclass
class Server:
    """A running server: how it is asked, what it holds and how long its start took."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float
    path: str = "/predict"
    wrap: Callable[[list[dict[str, float]]], object] = field(default=lambda rows: {"rows": rows})

    def body(self, rows: list[dict[str, float]]) -> bytes:
        """The rows as this server takes them."""
        return json.dumps(self.wrap(rows)).encode()

    def ask(self, body: bytes, media_type: str = JSON) -> list[float]:
        """The predictions of one request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}",
            data=body,
            headers={"Content-Type": media_type},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: list[float] = json.load(answer)["predictions"]
            return found

    def load(
        self, connections: int, seconds: float, body: bytes, media_type: str = JSON
    ) -> dict[str, float]:
        """Requests a second, p50, p99, CPU and failures under load from the other core."""
        before = self._cpu_seconds()
        arguments = [self.port, connections, seconds, self.path, media_type]
        with on({CLIENT_CORE}):
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.serving.load", *map(str, arguments)],
                input=body,
                stdout=subprocess.PIPE,
                check=True,
            )
        measured: dict[str, float] = json.loads(done.stdout)
        spent = (self._cpu_seconds() - before) * 1000
        return {**measured, "cpu": spent / max(measured["requests"] * seconds, 1)}

    def _cpu_seconds(self) -> float:
        times = [each.cpu_times() for each in self.family()]
        return float(sum(each.user + each.system for each in times))

    def family(self) -> list[psutil.Process]:
        """The server and all processes below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def mebibytes(self) -> float:
        """Memory of all its processes, with what they share counted once."""
        return float(sum(each.memory_full_info().pss for each in self.family()) / 2**20)

    def stop(self) -> None:
        """End it and all below it."""
        family = self.family()
        self.process.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for each in alive:
            each.kill()
        self.process.wait()


@contextmanager
def on(cores: Iterable[int]) -> Iterator[None]:
    """Processes started inside run on ``cores`` only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(name: str, command: list[str], folder: Path, port: int, **how: Any) -> Server:
    """Start ``command`` on ``cores``, one if not given, and wait until it is ready."""
    cores: Iterable[int] = how.pop("cores", ONE_CORE)
    environment = how.pop("environment", None) or _environment()
    log = folder / f"{name.replace(' ', '-')}.log"
    began = time.perf_counter()
    with on(cores), log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=how.pop("cwd", folder),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    health = str(how.pop("health", "/readyz"))
    while not _answers(f"http://127.0.0.1:{port}{health}"):
        late = time.perf_counter() - began > START_SECONDS
        if late or process.poll() is not None:
            raise RuntimeError(f"{name} did not start: {log.read_text()[-2000:]}")
        time.sleep(0.01)
    return Server(name, port, process, time.perf_counter() - began, **how)


def _environment() -> dict[str, str]:
    """Ours; `mlflow` looks for uvicorn on the PATH."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def ours(folder: Path, language: str, cores: Iterable[int] = ONE_CORE) -> Server:
    """Our service, as `mlops deploy` starts it."""
    port, bento = free_port(), models.bento(folder, language)
    home = folder / f"home-{language}-{port}"
    environment = serve_environment(None, home, home / "records")
    how = {"environment": environment, "cores": cores}
    return start(f"ours {language}", serve_command(bento, port), folder, port, **how)


def _uvicorn(app: str, port: int) -> list[str]:
    options = ["--loop", "uvloop", "--http", "httptools", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", app, *options]


def fastapi(folder: Path) -> Server:
    """FastAPI with pydantic rows, access log on."""
    port = free_port()
    return start("fastapi", _uvicorn("fast:app", port), folder, port)


def bare(folder: Path) -> Server:
    """json.loads, the prediction, json.dumps: the limit."""
    port = free_port()
    return start("bare", [*_uvicorn("bare:app", port), "--no-access-log"], folder, port)


def mlflow(folder: Path) -> Server:
    """`mlflow models serve` with one worker."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "mlflow"]
    options = ["--env-manager", "local", "--workers", "1", "--port", str(port)]
    server = start("mlflow", [*command, *options], folder, port, health="/ping")
    server.path = "/invocations"
    server.wrap = lambda rows: {"dataframe_records": rows}
    return server


def plumber(folder: Path) -> Server:
    """The R model behind plumber."""
    port = free_port()
    text = f"plumber::pr_run(plumber::pr('plumber.R'), host = '127.0.0.1', port = {port})"
    return start("plumber", ["Rscript", "-e", text], folder, port)


def plain_bento(folder: Path, cores: Iterable[int] = ONE_CORE) -> Server:
    """A Bento as the documentation of BentoML writes it."""
    port = free_port()
    environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / f"home-plain-{port}"),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    command = [sys.executable, "-m", "bentoml", "serve", "plain:Plain", "--host", "127.0.0.1"]
    how = {"environment": environment, "cores": cores}
    return start("plain bento", [*command, "--port", str(port)], folder, port, **how)
