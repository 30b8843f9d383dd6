"""What a real Python, R or Julia prints when it fails, and the sentence that we make of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ci.pipeline.dvc import environment
from ci.pipeline.failure import read_failure

COMMANDS = {
    "py": [sys.executable],
    "R": ["Rscript"],
    "jl": ["julia", "--startup-file=no"],
}
BROKEN = {
    "py": ("def go():\n    return missing_name\n\n\ngo()\n", 2, "missing_name"),
    "R": ("go <- function() {\n  stop('no such shelf')\n}\ngo()\n", 2, "no such shelf"),
    "jl": ('function go()\n    error("no such shelf")\nend\n\ngo()\n', 2, "no such shelf"),
}
SYNTAX = {
    "py": ("x = 1\ndef broken(:\n", 2),
    "R": ("x <- 1\ny <- (2 +\n", 3),
    "jl": ("x = 1\ny = (2 +\n", 2),
}


def output_of(language: str, path: Path) -> str:
    command = [*COMMANDS[language], path.name]
    done = subprocess.run(
        command, cwd=path.parent, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("language", list(BROKEN))
def test_an_error_is_named_with_file_line_and_message(language: str, tmp_path: Path) -> None:
    code, line, message = BROKEN[language]
    path = tmp_path / f"train.{language}"
    path.write_text(code)
    failure = read_failure(output_of(language, path))
    assert message in failure.message
    assert failure.sentence().startswith(f"train.{language}:{line}: ")


@pytest.mark.parametrize("language", list(SYNTAX))
def test_a_syntax_error_is_named_with_file_and_line(language: str, tmp_path: Path) -> None:
    code, line = SYNTAX[language]
    path = tmp_path / f"train.{language}"
    path.write_text(code)
    failure = read_failure(output_of(language, path))
    assert failure.sentence().startswith(f"train.{language}:")
    assert failure.line is not None
    assert abs(failure.line - line) <= 1


def test_a_stage_that_wrote_nothing_is_told_in_dvcs_words() -> None:
    log = "Running stage 'train':\n"
    log += "ERROR: failed to reproduce 'train': output 'artifact' does not exist\n"
    assert read_failure(log).sentence() == "output 'artifact' does not exist"


def test_silence_has_a_sentence_too() -> None:
    assert read_failure("").sentence() == "it printed nothing"


def test_a_broken_pipeline_file_is_named_with_its_line(tmp_path: Path) -> None:
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, env=environment(), check=True)
    (tmp_path / "dvc.yaml").write_text("stages:\n  train:\n    cmd: {{x}} y\n")
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert read_failure(done.stdout + done.stderr).sentence().startswith("dvc.yaml:3: ")


def test_a_stage_that_ends_itself_is_quoted() -> None:
    log = (
        "Running stage 'train':\n> python train.py\nreading\nthe shops are closed\n"
        "ERROR: failed to reproduce 'train': failed to run: python train.py, exited with 1\n"
    )
    assert read_failure(log).sentence() == (
        "failed to run: python train.py, exited with 1; the last it printed was: "
        "the shops are closed"
    )
