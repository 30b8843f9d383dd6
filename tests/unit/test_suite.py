"""The suite itself: a run that is told to end leaves nothing running."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.support.services import DIES_WITH_US

ROOT = Path(__file__).parents[2]
TEST = """
import pathlib, time
import pytest

@pytest.fixture
def service():
    yield
    pathlib.Path("stopped").touch()

def test_it(service):
    pathlib.Path("running").touch()
    time.sleep(60)
"""


def test_a_run_that_is_ended_still_ends_its_services(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "test_it.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    ) as run:
        while not (tmp_path / "running").exists():
            assert run.poll() is None, run.communicate()
        run.terminate()
        said, _ = run.communicate()
    assert run.returncode == 128 + signal.SIGTERM, said
    assert (tmp_path / "stopped").exists()


def test_a_service_dies_with_a_run_that_is_killed() -> None:
    begin = (
        "import subprocess, time\n"
        f"print(subprocess.Popen({[*DIES_WITH_US, 'sleep', '60']!r}).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        service = psutil.Process(int(run.stdout.readline()))
        while service.name() != "sleep":  # its own command comes after the wrapper
            time.sleep(0.01)
        run.kill()
    gone, alive = psutil.wait_procs([service], timeout=30)
    assert (gone, alive) == ([service], [])
