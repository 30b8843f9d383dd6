"""Bad arguments: exit code 2, and whole sentences."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ci.cli.run import run
from tests.support.command import MLOPS
from tests.support.repositories import new_repository

WRONG = {
    "no such command": ["frobnicate"],
    "a command misspelt": ["scor"],
    "no argument": ["train"],
    "an argument too many": ["train", "one", "two"],
    "no such option": ["status", "--all"],
    "an option without a value": ["plan", "--base"],
    "a required option left out": ["score-merge", "one"],
    "no such language": ["new", "one", "--language", "cobol"],
}


@pytest.mark.parametrize("case", list(WRONG))
def test_bad_arguments_are_said_in_sentences(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(WRONG[case]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    wanted = r"Error: [^\n]+([^.?]\.|\w'\?) Type 'mlops[a-z -]* --help' to see [^\n]+\.\n"
    assert re.fullmatch(wanted, err)


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_reader_that_went_as_head_does_stops_nothing(closed: str, tmp_path: Path) -> None:
    says = "from ci.console import say\nsay('under way')\nsay('done')\nprint('all')"
    command: list[str | Path] = (
        [MLOPS, "models"] if closed == "stdout" else [sys.executable, "-c", says]
    )
    reader, writer = os.pipe()
    os.close(reader)
    kept: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writer}
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        command, cwd=new_repository(tmp_path).root, **kept, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stdout, done.stderr) == (
        (0, None, "") if closed == "stdout" else (0, "all\n", None)
    )
