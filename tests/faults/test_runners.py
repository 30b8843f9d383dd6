"""Model code that fails in every way known, and the pool that goes on answering."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bentos.frames import Field, Frame, from_rows
from bentos.runners import (
    LANGUAGES,
    DeadlineError,
    ModelError,
    NoWorkerError,
    RunnerError,
    RunnerPool,
)
from tests.support.runner_sources import SOURCES

INPUTS = [Field("action", "string"), Field("x", "number")]
OUTPUTS = [Field("y", "number")]
PATIENT = 60.0
HASTY = 0.7


def rows_of(action: str, *values: float) -> Frame:
    return from_rows([{"action": action, "x": x} for x in values or (1.0, 2.0, 3.0)], INPUTS)


def group_members(groups: set[int]) -> list[int]:
    """Processes of these groups that still run; zombies have ended."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(group) in groups and state != "Z":
                members.append(int(entry.name))
    return members


def wait_until(condition: Callable[[], object], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


class Watched:
    """A pool, and the process groups that it has had."""

    def __init__(self, pool: RunnerPool, artifact: Path) -> None:
        self.pool = pool
        self.artifact = artifact
        self.groups: set[int] = set()

    def ask(self, action: str, *values: float, seconds: float = PATIENT) -> list[float]:
        self.groups |= set(self.pool.pids())
        self.pool.timeout_seconds = seconds
        try:
            return self.pool.predict(rows_of(action, *values)).to_lists()["y"]
        finally:
            self.groups |= set(self.pool.pids())

    def calls(self) -> list[str]:
        return (self.artifact / "calls").read_text().split("\n")[:-1]


@pytest.fixture(params=list(SOURCES))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(language: str, tmp_path: Path) -> tuple[Path, Path]:
    path = tmp_path / LANGUAGES[language].predict_file
    path.write_text(SOURCES[language])
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    return path, artifact


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def watched(
    language: str, model: tuple[Path, Path], scratch: Path, tmp_path: Path
) -> Iterator[Watched]:
    """A running pool; when the test is over, nothing of it may be left."""
    before = open_files()
    with RunnerPool(language, *model, OUTPUTS, log=tmp_path / "log") as pool:
        watched = Watched(pool, model[1])
        yield watched
        assert watched.ask("double", 1.5) == [3.0], "the next request is answered"
    assert wait_until(lambda: not group_members(watched.groups)), "processes are left"
    assert os.listdir(scratch) == []
    assert open_files() == before


@pytest.mark.parametrize("action", ["double", "table", "integers"])
def test_an_answer_in_each_accepted_form(watched: Watched, action: str) -> None:
    assert watched.ask(action, 1.0, 2.0, 3.0) == [2.0, 4.0, 6.0]
    assert watched.pool.restarts == 0


def test_an_error_names_the_text_and_the_line(
    watched: Watched, language: str, tmp_path: Path
) -> None:
    line = SOURCES[language][: SOURCES[language].index("no such store")].count("\n") + 1
    place = f"({LANGUAGES[language].predict_file}, line {line})"
    with pytest.raises(ModelError, match="no such store") as caught:
        watched.ask("raise")
    assert place in caught.value.message
    assert caught.value.code == "model_error"
    assert watched.calls() == ["raise"], "an error of the model is not retried"
    assert watched.pool.restarts == 0
    log = tmp_path / "log"
    assert wait_until(lambda: "no such store" in log.read_text()), "while the worker lives"


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("length", "2 values for 3 rows"),
        ("type", "'y' holds texts, it must hold numbers"),
        ("object", ""),
        ("nan", "NaN or an infinite number in output 'y' for row 1"),
        ("infinite", "NaN or an infinite number in output 'y' for row 1"),
        ("missing", "'y' for row 1"),
        ("names", "returned 'z'; the contract's outputs are 'y'"),
        ("extra", "returned 'y', 'z'; the contract's outputs are 'y'"),
        ("nothing", ""),
    ],
)
def test_a_wrong_result_is_the_models_error(watched: Watched, action: str, text: str) -> None:
    with pytest.raises(ModelError) as caught:
        watched.ask(action)
    assert text in caught.value.message
    assert watched.pool.restarts == 0


@pytest.mark.parametrize("action", ["loop", "child"])
def test_a_hang_ends_at_the_deadline(watched: Watched, action: str) -> None:
    watched.ask("double")
    with pytest.raises(DeadlineError) as caught:
        watched.ask(action, seconds=HASTY)
    assert caught.value.code == "deadline"
    assert watched.calls() == ["double", action], "a time-out is not retried"
    assert wait_until(lambda: watched.pool.restarts == 1)


def test_a_stopped_worker_is_replaced(watched: Watched) -> None:
    watched.ask("double")
    [stopped] = watched.pool.pids()
    os.kill(stopped, signal.SIGSTOP)
    assert watched.ask("double", 4.0) == [8.0]
    assert watched.pool.pids() != [stopped]


def test_a_stopped_worker_is_noticed_without_a_request(watched: Watched) -> None:
    [stopped] = watched.pool.pids()
    os.kill(stopped, signal.SIGSTOP)
    assert wait_until(lambda: watched.pool.alive() == 0)
    assert wait_until(lambda: watched.pool.pids() not in ([], [stopped]))


@pytest.mark.parametrize("action", ["exit", "kill"])
def test_a_worker_that_always_dies_is_tried_twice(watched: Watched, action: str) -> None:
    with pytest.raises(NoWorkerError) as caught:
        watched.ask(action)
    assert caught.value.code == "no_worker"
    assert watched.calls() == [action, action]


def test_a_worker_that_dies_once_is_retried(watched: Watched) -> None:
    assert watched.ask("exit once", 4.0) == [8.0]
    assert watched.calls() == ["exit once", "exit once"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_killed_or_stopped_in_mid_request(watched: Watched, number: int) -> None:
    def send() -> None:
        assert wait_until((watched.artifact / "marker").exists)
        os.kill(watched.pool.pids()[0], number)

    sender = threading.Thread(target=send)
    sender.start()
    assert watched.ask("sleep once", 4.0) == [8.0]
    sender.join()


def test_a_worker_killed_while_idle(watched: Watched) -> None:
    os.kill(watched.pool.pids()[0], signal.SIGKILL)
    assert watched.ask("double", 4.0) == [8.0]
    assert watched.calls() == ["double"]


def test_an_idle_death_is_noticed_without_a_request(watched: Watched) -> None:
    watched.ask("double")
    os.kill(watched.pool.pids()[0], signal.SIGKILL)
    assert wait_until(lambda: watched.pool.alive() == 0)
    assert wait_until(lambda: watched.pool.alive() == 1)


def test_an_error_that_has_no_text_costs_no_worker(watched: Watched) -> None:
    with pytest.raises(ModelError):
        watched.ask("no text")
    assert watched.ask("", 4.0) == [8.0]
    assert watched.pool.restarts == 0


def test_printing_goes_to_the_log(watched: Watched, tmp_path: Path) -> None:
    assert watched.ask("print", 4.0) == [8.0]
    text = (tmp_path / "log").read_text()
    assert text.count("out") >= 500_000
    assert text.count("err") >= 500_000
    assert watched.pool.restarts == 0


def test_closing_the_output_does_no_harm(watched: Watched) -> None:
    assert watched.ask("close", 4.0) == [8.0]
    with pytest.raises(ModelError, match="no such store"):
        watched.ask("raise")
    assert watched.pool.restarts == 0


def test_garbage_on_the_reply_pipe_is_never_read_as_an_answer(watched: Watched) -> None:
    with pytest.raises(NoWorkerError):
        watched.ask("garbage", 4.0)


def test_no_rows_need_no_model(watched: Watched) -> None:
    answer = watched.pool.predict(from_rows([], INPUTS))
    assert answer.to_lists() == {"y": []}


def test_a_memory_limit_is_the_models_error(
    language: str, model: tuple[Path, Path], scratch: Path
) -> None:
    with RunnerPool(language, *model, OUTPUTS, memory_bytes=1 << 30) as pool:
        with pytest.raises(ModelError):
            pool.predict(rows_of("memory"))
        assert pool.predict(rows_of("double", 4.0)).to_lists() == {"y": [8.0]}


def test_each_caller_gets_its_own_answer(
    language: str, model: tuple[Path, Path], scratch: Path
) -> None:
    values = [float(i) for i in range(60)]
    with RunnerPool(language, *model, OUTPUTS, workers=2, timeout_seconds=PATIENT) as pool:
        pool.warm_up(rows_of("double"))
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda x: pool.predict(rows_of("double", x)), values))
        assert pool.alive() == 2
    assert [answer.to_lists()["y"] for answer in answers] == [[2 * x] for x in values]


def test_the_event_loop_goes_on_while_a_model_works(
    language: str, model: tuple[Path, Path], scratch: Path
) -> None:
    async def scenario(pool: RunnerPool) -> None:
        pool.timeout_seconds = 3
        slow = asyncio.create_task(pool.predict_async(rows_of("sleep once", 4.0)))
        await asyncio.sleep(0)
        pool.timeout_seconds = PATIENT
        quick = await pool.predict_async(rows_of("double", 1.0))
        assert not slow.done()
        assert quick.to_lists() == {"y": [2.0]}
        with pytest.raises(ModelError):
            await pool.predict_async(rows_of("raise"))
        with pytest.raises(DeadlineError):
            await slow

    with RunnerPool(language, *model, OUTPUTS, workers=2) as pool:
        pool.warm_up(rows_of("double"))
        asyncio.run(scenario(pool))


def test_closing_ends_a_call_under_way(
    language: str, model: tuple[Path, Path], scratch: Path
) -> None:
    pool = RunnerPool(language, *model, OUTPUTS, timeout_seconds=PATIENT)
    pool.start()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(pool.predict, rows_of("sleep once"))
        assert wait_until((model[1] / "marker").exists)
        pool.close()
        with pytest.raises(NoWorkerError):
            call.result()
    with pytest.raises(NoWorkerError):
        pool.predict(rows_of("double"))
    assert os.listdir(scratch) == []


PARENT = """
import sys, threading
from pathlib import Path
from bentos.frames import from_rows
from bentos.runners import RunnerPool
language, predict_file, artifact, action = sys.argv[1:]
outputs = [("y", "number")]
pool = RunnerPool(language, Path(predict_file), Path(artifact), outputs, timeout_seconds=99)
pool.start()
print(pool.pids()[0], flush=True)
pool.predict(from_rows([{"action": action, "x": 1.0}], [("action", "string"), ("x", "number")]))
print("answered", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("action", ["double", "loop"])
def test_a_killed_parent_leaves_no_worker(
    language: str, model: tuple[Path, Path], scratch: Path, action: str
) -> None:
    command = [sys.executable, "-c", PARENT, language, *map(str, model), action]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        group = {int(parent.stdout.readline())}
        assert wait_until((model[1] / "calls").exists)
        assert group_members(group) == list(group)
        parent.kill()
    assert wait_until(lambda: not group_members(group))


def processes_in(folder: Path) -> list[int]:
    """Processes whose temporary folder is in ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_child_that_left_its_group_ends_with_its_worker(watched: Watched, scratch: Path) -> None:
    assert watched.ask("daemon", 4.0) == [8.0]
    [worker] = watched.pool.pids()
    assert wait_until(lambda: len(processes_in(scratch)) == 2)
    os.kill(worker, signal.SIGKILL)
    assert wait_until(lambda: watched.pool.restarts == 1 and watched.pool.alive() == 1)
    assert wait_until(lambda: processes_in(scratch) == watched.pool.pids())


def test_a_later_supervisor_ends_what_a_killed_ones_model_left(
    model: tuple[Path, Path], language: str, scratch: Path
) -> None:
    abandoned = scratch / "mlops-workers-abandoned"
    environment = {**os.environ, "TMPDIR": str(abandoned / "worker-1")}
    (abandoned / "worker-1").mkdir(parents=True)
    with (
        subprocess.Popen(["sleep", "300"], env=environment) as left,
        RunnerPool(language, *model, OUTPUTS),
    ):
        assert left.wait(10) == -signal.SIGKILL
        assert not abandoned.exists()


def test_a_full_disk_for_the_log_fails_no_call(model: tuple[Path, Path], language: str) -> None:
    with RunnerPool(language, *model, OUTPUTS, log="/dev/full") as pool:
        for action in ("print", "double"):
            assert pool.predict(rows_of(action, 4.0)).to_lists() == {"y": [8.0]}
        with pytest.raises(ModelError, match="no such store"):
            pool.predict(rows_of("raise", 4.0))
        assert pool.restarts == 0


def test_a_later_supervisor_removes_what_a_killed_one_left(
    model: tuple[Path, Path], language: str, scratch: Path
) -> None:
    abandoned = scratch / "mlops-workers-abandoned"
    abandoned.mkdir()
    with RunnerPool(language, *model, OUTPUTS):
        assert not abandoned.exists()
        with RunnerPool(language, *model, OUTPUTS) as other:
            assert len(os.listdir(scratch)) == 2, "a folder in use stays"
            assert other.alive() == 1


def failure_code(watched: Watched) -> str:
    try:
        watched.ask("double", seconds=HASTY)
    except RunnerError as error:
        return error.code
    return "none"


def test_a_model_that_no_longer_loads_says_so_at_once(watched: Watched, tmp_path: Path) -> None:
    file = watched.pool.predict_file
    source = file.read_text()
    file.write_text("load_model = 1\n")
    with pytest.raises(NoWorkerError):
        watched.ask("exit")
    assert wait_until(lambda: watched.pool.restarts >= 1 and watched.pool.alive() == 0)
    assert wait_until(lambda: failure_code(watched) == "no_worker")
    file.write_text(source)
    assert wait_until(lambda: watched.pool.alive() == 1, PATIENT)
