from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ci.busy import in_turn, only_one
from ci.errors import MlopsError
from ci.repository import Repository

HOLD = """
import sys, pathlib
from ci.busy import {lock}
from ci.repository import Repository
with {lock}(Repository(pathlib.Path(sys.argv[1])), {arguments}):
    print("held", flush=True)
    sys.stdin.readline()
    pathlib.Path(sys.argv[1], "done").touch()
"""


def holder(root: Path, lock: str, arguments: str) -> subprocess.Popen[str]:
    code = HOLD.format(lock=lock, arguments=arguments)
    command = [sys.executable, "-c", code, str(root)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_command_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    process = holder(tmp_path, "only_one", "'train', 'shelf'")
    with (
        pytest.raises(MlopsError, match=f"process {process.pid}") as caught,
        only_one(Repository(tmp_path), "train", "shelf"),
    ):
        pass
    process.communicate("\n")
    assert caught.value.code == "busy"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    process = holder(tmp_path, "only_one", "'train', 'shelf'")
    process.kill()
    process.communicate()
    with only_one(Repository(tmp_path), "train", "shelf"):
        pass


def test_the_next_in_turn_waits_and_then_goes_on(tmp_path: Path) -> None:
    process = holder(tmp_path, "in_turn", "'pipeline'")
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    with in_turn(Repository(tmp_path), "pipeline"):
        assert (tmp_path / "done").exists()
    process.communicate()
