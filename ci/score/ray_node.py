"""What runs on a node of a Ray cluster: pieces through the model's own worker, kept between calls.

Each process that Ray has on a node unpacks the model once and holds one worker with it. Nothing of
the machine that asked need be there but what Ray brings: no file system is shared.
"""

from __future__ import annotations

import atexit
import io
import os
import platform
import tarfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ci.evaluate.candidate import Servable
    from ci.score.job import Plan
    from ci.score.piece import Done, Scorer

# What the bits of a prediction, or of its text, may depend on.
PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn")
PRINTED_BYTES = 1 << 16
CODE = "model"
LOG = "printed.log"


@dataclass(frozen=True)
class Errand:
    """A job as a node needs it: ``model`` is Ray's reference to the packed folder.

    ``artifact`` is its path in there, ``log`` the file that messages name, and ``versions`` are
    those of the machine that asks.
    """

    plan: Plan
    numbers: frozenset[str]
    model: Any
    predict_file: str
    artifact: str
    log: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A scored piece or the code and sentence of a problem, and the last that the model printed."""

    done: Done | None
    problem: tuple[str, str] | None
    printed: bytes


def versions(language: str) -> dict[str, str]:
    """What this machine predicts with; a language that is not installed is not among them."""
    from ci.toolchain import LABELS, PROGRAMS, toolchain

    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if language in PROGRAMS:
        with suppress(OSError):
            found[LABELS[language]] = toolchain(language)
    return found


def packed_model(servable: Servable) -> bytes:
    """The folder of the model's code and artifact, to be brought to the nodes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        tar.add(servable.predict_file.parent, CODE)
    return packed.getvalue()


def packed_rows(table: pa.Table) -> bytes:
    """Rows to be brought to a node."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def score_piece(errand: Errand, rows: bytes, first: int) -> Answer:
    """Score ``rows``, whose first is number ``first`` of the file; what is wrong is told.

    Ray calls this, on any node, and again where one was lost.
    """
    import pyarrow as pa

    try:
        desk = _desk(errand)
    except MlopsError as error:
        return Answer(None, (error.code, f"Ray node {_here()}: {error.message}"), b"")
    with pa.ipc.open_stream(rows) as stream:
        return desk.score(stream.read_all(), first)


class Desk:
    """A worker with the model of ``errand``, in a folder that goes with this process.

    Raises:
        MlopsError: ``other_versions``, or what the runner says of the start.
    """

    def __init__(self, errand: Errand) -> None:
        from bentos.scratch import WORKERS, Scratch
        from ci.cli import use_environment

        use_environment()
        _require_same(errand.versions, versions(errand.plan.rules().language))
        self._errand = errand
        self._closing = ExitStack()
        scratch = Scratch(WORKERS)
        self._closing.callback(scratch.remove)
        self._log = scratch.path / LOG
        atexit.register(self.close)
        self._scorer = self._open(scratch.path)

    def _open(self, folder: Path) -> Scorer:
        import ray

        from ci.evaluate.candidate import Servable
        from ci.evaluate.pool import open_pool
        from ci.score.engine import CHUNK_TIMEOUT_SECONDS
        from ci.score.piece import Scorer

        errand, plan = self._errand, self._errand.plan
        with tarfile.open(fileobj=io.BytesIO(ray.get(errand.model))) as tar:
            tar.extractall(folder, filter="data")
        code = folder / CODE
        servable = Servable(
            code / errand.predict_file,
            code / errand.artifact,
            plan.rules(),
            plan.version,
            plan.fingerprint,
        )
        try:
            pool = self._closing.enter_context(
                open_pool(servable, self._log, CHUNK_TIMEOUT_SECONDS)
            )
        except MlopsError as error:
            self.close()
            raise MlopsError(error.code, self._as_there(error.message)) from None
        return Scorer(plan, errand.numbers, pool)

    def score(self, table: pa.Table, first: int) -> Answer:
        """One piece."""
        from bentos.runners import RunnerError
        from ci.evaluate.pool import said

        try:
            done = self._scorer.piece(table, first)
        except RunnerError as error:
            return self._problem(said(self._errand.plan.model, error))
        except MlopsError as error:
            return self._problem(error)
        return Answer(done, None, self._printed())

    def close(self) -> None:
        """End the worker and delete what was unpacked."""
        self._closing.close()

    def _problem(self, error: MlopsError) -> Answer:
        return Answer(None, (error.code, self._as_there(error.message)), self._printed())

    def _as_there(self, message: str) -> str:
        """What is printed here is read in the log of the machine that asked."""
        return message.replace(str(self._log), self._errand.log)

    def _printed(self) -> bytes:
        """The end of what the model printed since last time."""
        size = self._log.stat().st_size
        if not size:
            return b""
        with self._log.open("rb") as file:
            file.seek(max(0, size - PRINTED_BYTES))
            text = file.read()
        os.truncate(self._log, 0)  # the worker appends
        return text


_desks: dict[str, Desk] = {}


def _desk(errand: Errand) -> Desk:
    """The one that this process has; Ray gives no process to two jobs."""
    if errand.plan.key not in _desks:
        _desks[errand.plan.key] = Desk(errand)
    return _desks[errand.plan.key]


def _require_same(theirs: dict[str, str], ours: dict[str, str]) -> None:
    for name, wanted in theirs.items():
        if name in ours and ours[name] != wanted:
            raise MlopsError(
                "other_versions",
                f"{name} is {ours[name]} here and {wanted} where you typed, so that predictions "
                "could differ; bring both to the same state of the repository (make setup), start "
                "Ray there again, and type the same command.",
            )


def _here() -> str:
    import ray

    return str(ray.util.get_node_ip_address())
