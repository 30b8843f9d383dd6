"""Sixteen callers ask without a pause while things break: who is answered what, and until when.

The table of it is printed and written to `.mlops/bench/faults.txt`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bentos.records import ACCESS_FILE, PREDICTIONS_FILE
from ci.repository import Repository
from tests.benchmarks.serving.lines import aligned
from tests.support import services
from tests.support.load import CALLERS, Load
from tests.support.services import Running

WORKERS = 2
CALM_SECONDS = 0.5
REPAIR_SECONDS = 60.0
LOSS_SECONDS = 20.0
COLUMNS = ("language", "fault", "its caller saw", "answered", "failed", "seen", "right again after")
TABLE = Repository.find().state_dir / "bench" / "faults.txt"
MEMORY_BYTES = 1 << 30


@pytest.fixture(scope="module", params=["python", "r", "julia"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    root = tmp_path_factory.mktemp(request.param)
    limits = {"timeout_seconds": 20, "max_memory_bytes": MEMORY_BYTES}
    rules = services.contract(request.param, workers=WORKERS, **limits)
    bento = services.build_tiny(root, request.param, rules=rules)
    (root / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(root / "tmp"))
        running = services.serve(bento, root / "run")
    assert running.wait_until_answered().status_code == 200
    yield running
    running.stop()


def bad_row(mode: str) -> Callable[[Running], str]:
    """One row on which the model's code does this."""
    return lambda service: str(service.predict({"x": 1.0, "mode": mode}).status_code)


def end(process: psutil.Process, number: signal.Signals) -> None:
    """Signal it, and wait until it has been buried.

    One that was stopped is ended by who looks after it. Until then it may look alive, and what it
    answered before it stopped would pass for the answers of the one in its place.
    """
    process.send_signal(number)
    process.wait(REPAIR_SECONDS)


def kill_worker(service: Running) -> None:
    end(service.workers()[0], signal.SIGKILL)


def stop_worker(service: Running) -> None:
    end(service.workers()[0], signal.SIGSTOP)


def kill_api(service: Running) -> None:
    end(service.api(), signal.SIGKILL)


def stop_api(service: Running) -> None:
    end(service.api(), signal.SIGSTOP)


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def send_slowly(service: Running) -> None:
    """A byte now and then, for half a second, and then nothing more."""
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        for byte in (HEAD + b"Content-Length: 99\r\n\r\n{")[:50]:
            slow.send(bytes([byte]))
            time.sleep(0.01)


def send_half(service: Running) -> str:
    """The beginning of a body; the service waits for the rest until its time limit."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as half:
        half.sendall(HEAD + b"Content-Length: 99\r\n\r\n{")
        answer = http.client.HTTPResponse(half)
        answer.begin()
        return str(answer.status)


def send_too_much(service: Running) -> None:
    """A gigabyte is announced, and sent until the service hangs up."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as large:
        large.sendall(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                large.sendall(b" " * 1_000_000)


def send_nonsense(service: Running) -> str:
    """Deep JSON, another encoding, another type, no text at all."""
    given = {"content-type": "application/json"}
    bodies = [
        b"[" * 100_000,
        b'{"rows": [{"x": "\xff"}]}',
        b'{"rows": [{"x": {}}]}',
        b"\0" * 999,
    ]
    found = [service.client.post("/predict", content=body, headers=given) for body in bodies]
    return ", ".join(sorted({str(each.status_code) for each in found}))


def fill_the_disk(service: Running) -> str:
    """No record can be written until one was lost."""
    records = service.log.parent / "records"
    files = [records / name for name in (ACCESS_FILE, PREDICTIONS_FILE)]
    # Never is a file or the folder away: the service would make it anew in between.
    for file in files:
        os.link(file, file.with_suffix(".kept"))
        full = file.with_suffix(".full")
        full.symlink_to("/dev/full")
        full.replace(file)
    deadline = time.monotonic() + LOSS_SECONDS
    while not (lost := lost_records(service)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for file in files:
        file.with_suffix(".kept").replace(file)
    return "lost records are counted" if lost else "no lost record was counted"


def lost_records(service: Running) -> float:
    found = service.client.get("/metrics").text.partition("mlops_records_dropped_total{")[2]
    return float(found.splitlines()[0].rpartition(" ")[2])


@dataclass(frozen=True)
class Fault:
    """What breaks, and what the one who broke it and the other callers may see."""

    do: Callable[[Running], str | None]
    own: str = ""
    others: frozenset[str] = frozenset()
    often: bool = False
    """Whether every run of the tests has it, and not only the long one."""


GONE = frozenset({"503"})
FAULTS = {
    "worker killed": Fault(kill_worker, others=GONE, often=True),
    "worker stopped": Fault(stop_worker, often=True),
    "model raises": Fault(bad_row("raise"), "500", often=True),
    "model returns NaN": Fault(bad_row("nan"), "500"),
    "model returns too few": Fault(bad_row("short"), "500"),
    "model returns texts": Fault(bad_row("type"), "500"),
    "model returns 100 MB": Fault(bad_row("large"), "500"),
    "model prints 4 MB": Fault(bad_row("print"), "200"),
    "model ends its process": Fault(bad_row("die"), "503", GONE, often=True),
    "model sleeps": Fault(bad_row("hang"), "504", GONE),
    "model loops": Fault(bad_row("loop"), "504", GONE),
    "model takes all memory": Fault(bad_row("memory"), "500", GONE, often=True),
    "model starts 200 processes": Fault(bad_row("children"), "200", often=True),
    "client sends slowly": Fault(send_slowly),
    "client sends half a request": Fault(send_half, "408"),
    "client sends 1 GB": Fault(send_too_much),
    "client sends nonsense": Fault(send_nonsense, "400, 422"),
    "disk full": Fault(fill_the_disk, "lost records are counted", often=True),
    "API process killed": Fault(kill_api, others=GONE | {"connection"}, often=True),
    "API process stopped": Fault(stop_api, others=GONE | {"connection"}, often=True),
}


@pytest.fixture(scope="module")
def rows() -> Iterator[list[tuple[str, ...]]]:
    """The table, printed and written when all faults have been tried."""
    table: list[tuple[str, ...]] = []
    yield table
    text = aligned([COLUMNS, *table])
    print(text)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(text + "\n")


@pytest.mark.parametrize(
    "fault",
    [pytest.param(n, marks=() if f.often else pytest.mark.long) for n, f in FAULTS.items()],
)
def test_callers_are_answered_while_things_break(
    service: Running, fault: str, rows: list[tuple[str, ...]]
) -> None:
    known = FAULTS[fault]
    with Load(service.port) as load:
        time.sleep(CALM_SECONDS)
        began = time.monotonic()
        own = known.do(service) or ""
        repaired = wait_until_right(service, load)
    failed = load.failed()
    last = max((when for when, outcome in load.outcomes if outcome != "ok"), default=began)
    language = service.log.parent.parent.name.rstrip("0")
    answered = str(len(load.outcomes) - failed.total())
    until = f"{max(last - began, 0):.2f} s"
    cells = (answered, str(failed.total()), ", ".join(failed), until)
    rows.append((language, fault, own, *cells))
    assert repaired, service.log.read_text()[-2000:]
    assert own == known.own
    assert set(failed) <= known.others
    assert failed.total() <= 2 * CALLERS, "only what was under way may fail"


def wait_until_right(service: Running, load: Load) -> bool:
    """Whether the API process and all workers live again and answer callers, within a time."""
    deadline = time.monotonic() + REPAIR_SECONDS
    while time.monotonic() < deadline:
        before, asked = living(service), len(load.outcomes)
        time.sleep(CALM_SECONDS)
        recent = {outcome for _, outcome in load.outcomes[asked:]}
        if len(before) == 1 + WORKERS and before == living(service) and recent == {"ok"}:
            return True
    return False


def living(service: Running) -> set[psutil.Process]:
    """The API process and the workers that are neither stopped nor dead."""
    with contextlib.suppress(psutil.Error, IndexError):
        wanted = [service.api(), *service.workers()]
        return {each for each in wanted if each.status() not in {"stopped", "zombie"}}
    return set()


def test_nothing_is_left_of_all_this(service: Running) -> None:
    """After the faults above: the same processes, files and folders as after a fresh start."""
    family = service.family()
    assert len(family) == 2 + WORKERS
    time.sleep(6)  # connections that callers left are closed after five seconds
    assert service.api().num_fds() < 60
    temporary = service.log.parents[1] / "tmp"
    [folder] = temporary.iterdir()
    [workers] = folder.glob("mlops-workers-*")
    assert len(os.listdir(workers)) == WORKERS
    assert len(os.listdir(folder)) <= 2, "BentoML has a folder too, for one process"
    left = [each for each in processes_below(temporary) if each not in family]
    assert left == [], "what models started ended with their workers"


def processes_below(folder: Path) -> list[psutil.Process]:
    """Those whose temporary folder is in ``folder``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR", "").startswith(f"{folder}/"):
                found.append(process)
    return found
