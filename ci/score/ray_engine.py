"""`mlops score --engine ray`: pieces go out to the nodes of a Ray cluster, and come back in order.

All else is as on this machine: who asks reads the rows, counts bad ones, and writes the parts. So a
lost node loses nothing that Ray does not compute again, and a run may go on with another engine.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import time
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.errors import MlopsError
from ci.score.engine import Queue
from ci.score.ray_node import Errand, packed_model, packed_rows, score_piece, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ci.score.engine import Job
    from ci.score.piece import Done
    from ci.score.ray_node import Answer

# How often Ray computes a piece again whose node or process was lost.
RETRIES = 5
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 10.0
START_SECONDS = "120"
# Ray waits seven minutes for the answer of a node that was switched off, long after it knows that
# the node is gone. Asked more often than once a minute, nodes that are well close the connection.
# https://github.com/ray-project/ray/pull/44692
KEEPALIVE = {
    "RAY_grpc_client_keepalive_time_ms": "65000",
    "RAY_grpc_client_keepalive_timeout_ms": "20000",
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOG = "ray.log"
PLATFORM = Path(__file__).resolve().parents[2]


def require_ray() -> None:
    """Refuse where Ray is not installed.

    Raises:
        MlopsError: ``no_ray``.
    """
    if importlib.util.find_spec("ray") is None:
        raise MlopsError(
            "no_ray", "Ray is not installed, which --engine ray needs; type: make setup, and again."
        )


@contextmanager
def on_ray(address: str | None, job: Job) -> Iterator[Queue]:
    """The nodes of the cluster at ``address``, or where RAY_ADDRESS says, or of one made here.

    Raises:
        MlopsError: ``no_cluster``, ``lost_piece``, or what a node says of the model.
    """
    log = job.log.with_name(LOG)
    with _connected(address or os.environ.get("RAY_ADDRESS") or "local", log) as ray:
        cluster = Cluster(ray)
        plan, code = job.plan, job.servable.predict_file.parent
        errand = Errand(
            plan=plan,
            numbers=job.numbers,
            model=ray.put(packed_model(job.servable)),
            predict_file=job.servable.predict_file.name,
            artifact=str(job.servable.artifact.relative_to(code)),
            log=str(job.log),
            versions=versions(job.servable.contract.language),
        )
        task = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(
            score_piece
        )

        def submit(table: pa.Table, first: int) -> OnNode:
            rows = packed_rows(table.select(plan.columns))
            return OnNode(task.remote(errand, rows, first), first, job, cluster)

        yield Queue(submit, cluster.most)


@dataclass(frozen=True)
class OnNode:
    """A piece that a node is to score; ``reference`` is Ray's to the answer."""

    reference: Any
    first: int
    job: Job
    cluster: Cluster

    def result(self) -> Done:
        """Wait for it; a piece of a lost node is computed again by another.

        Raises:
            MlopsError: ``lost_piece``, or what a node says of the model.
        """
        answer = self._answer()
        if answer.printed:
            self.job.log.parent.mkdir(parents=True, exist_ok=True)
            with self.job.log.open("ab") as log:
                log.write(answer.printed)
        if answer.problem is not None:
            raise MlopsError(*answer.problem)
        assert answer.done is not None  # noqa: S101
        return answer.done

    def cancel(self) -> None:
        """Stop the node's work on it."""
        import ray

        ray.cancel(self.reference, force=True)

    def _answer(self) -> Answer:
        import ray

        while True:
            try:
                answer: Answer = ray.get(self.reference, timeout=LOOK_SECONDS)
            except ray.exceptions.GetTimeoutError:
                self.cluster.look()
            except ray.exceptions.RayTaskError:
                raise  # a defect of the platform, with its traceback
            except ray.exceptions.RayError as error:
                raise self._lost(error) from None
            else:
                return answer

    def _lost(self, error: Exception) -> MlopsError:
        return MlopsError(
            "lost_piece",
            f"{self.job.plan.source}: Ray gave the rows {self.first:,} and on up "
            f"({_first_line(error)}); see to the cluster (`ray status`; what it said is in "
            f"{self.job.log.with_name(LOG)}) and run the same command again, which goes on from "
            "the last finished part.",
        )


class Cluster:
    """How many pieces keep the cluster busy; says when nodes come and go."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._nodes: set[str] = set()
        self._cpus = 0
        self._looked = float("-inf")
        if not self.most() or not self._cpus:
            raise MlopsError(
                "no_cluster", "The Ray cluster has no CPU to give; add a node (`ray start`)."
            )
        say(f"Scoring on Ray: {_count(len(self._nodes), 'node')}, {_count(self._cpus, 'CPU')}")

    def most(self) -> int:
        """Two for each CPU, so that none waits for the network."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.look()
        return 2 * self._cpus + 1

    def look(self) -> None:
        """Ask who is there, and say what changed."""
        self._looked = time.monotonic()
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        nodes = {node["NodeManagerAddress"] for node in alive}
        for node in sorted(self._nodes - nodes):
            say(f"Ray lost the node {node}: what it had is scored by the others")
        for node in sorted(nodes - self._nodes) if self._nodes else ():
            say(f"Ray has a new node {node}")
        self._nodes = nodes
        self._cpus = int(sum(node["Resources"].get("CPU", 0) for node in alive))


@contextmanager
def _connected(address: str, log: Path) -> Iterator[Any]:
    """Ray at ``address``, to whose nodes this platform's own code is brought.

    What Ray has to say of the cluster goes to ``log``: stdout is the result's.
    """
    from bentos.scratch import WORKERS, Scratch, remove_abandoned

    _require_answer(address)
    remove_abandoned()  # workers would look in the folder that is made here
    if address == "local":
        _stay_here()
    os.environ |= KEEPALIVE | os.environ  # read when ray is imported
    import ray

    scratch = Scratch(WORKERS)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w", encoding="utf-8") as said, redirect_stdout(said):
            _begin(ray, address, scratch.path)
            yield ray
    finally:
        ray.shutdown()
        scratch.empty()  # of what Ray ended before it could tidy up
        scratch.remove()


def _begin(ray: Any, address: str, folder: Path) -> None:
    variables = {name: os.environ.get(name, "1") for name in THREADS}
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        variables["TMPDIR"] = str(folder)
        options |= {"include_dashboard": False, "_temp_dir": str(folder)}
    modules = [str(PLATFORM / name) for name in ("bentos", "ci")]
    try:
        ray.init(runtime_env={"py_modules": modules, "env_vars": variables}, **options)
    except Exception as error:  # Ray says with a plain one that its start took too long
        raise _no_cluster(address, _first_line(error)) from None


def _require_answer(address: str) -> None:
    """Ray itself would ask for minutes, and write on the terminal meanwhile."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "//" in host:
        raise _no_cluster(address, "that is no HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, _first_line(error)) from None


def _no_cluster(address: str, why: str) -> MlopsError:
    return MlopsError(
        "no_cluster",
        f"No Ray cluster could be used at {address} ({why}); write HOST:PORT of one that this "
        "machine is a node of (`ray start`), or leave --address and RAY_ADDRESS out.",
    )


def _stay_here() -> None:
    """Have a Ray of our own listen on 127.0.0.1 only, and ask for a word that nobody else knows."""
    os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
    # Ray keeps the first that a process has.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", START_SECONDS)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
