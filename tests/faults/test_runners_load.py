"""Models that cannot be loaded: refused at the start, in one sentence, with nothing left."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bentos.frames import Field, from_rows
from bentos.runners import (
    LANGUAGES,
    MissingToolchainError,
    ModelLoadError,
    RunnerPool,
    check_predict_file,
)

GOOD = {
    "python": "def load_model(directory):\n    return 2\n\n\ndef predict(model, rows):\n"
    "    return model * rows['x']\n",
    "r": "load_model <- function(directory) 2\n\npredict_rows = function(model, rows) {\n"
    "  model * rows$x\n}\n",
    "julia": "load_model(directory) = 2\n\nfunction predict_rows(model, rows)\n"
    "    model .* rows.x\nend\n",
}
UNFINISHED = {
    "python": "x = 1\n\ndef load_model(directory:\n    return 2\n",
    "r": "x <- 1\n\nload_model <- function(directory) )\n",
    "julia": "x = 1\n\nload_model(directory) = )\n",
}
RAISING = {
    "python": "def load_model(directory):\n    raise OSError('no artifact here')\n\n"
    "def predict(model, rows):\n    return 1\n",
    "r": "load_model <- function(directory) {\n  stop('no artifact here')\n}\n"
    "predict_rows <- function(model, rows) 1\n",
    "julia": 'function load_model(directory)\n    error("no artifact here")\nend\n'
    "predict_rows(model, rows) = 1\n",
}
EXITING = {
    "python": "import os\nos._exit(0)\n",
    "r": "quit('no')\n",
    "julia": "exit()\n",
}
HANGING = {
    "python": "while True:\n    pass\n",
    "r": "while (TRUE) {}\n",
    "julia": "while true end\n",
}
WITH_HELPER = {
    "python": ("helper.py", "FACTOR = 2\n", "from helper import FACTOR\n"),
    "r": ("helper.R", "FACTOR <- 2\n", "rm(list = ls())\nsource('helper.R')\n"),
    "julia": ("helper.jl", "const FACTOR = 2\n", 'include("helper.jl")\n'),
}


@pytest.fixture(params=list(GOOD))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write(folder: Path, language: str, text: str) -> Path:
    path = folder / LANGUAGES[language].predict_file
    path.write_text(text)
    return path


def pool_of(language: str, path: Path, **settings: Any) -> RunnerPool:
    return RunnerPool(language, path, path.parent, [("y", "number")], **settings)


def refusal(pool: RunnerPool, scratch: Path) -> str:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ModelLoadError) as caught:
        pool.start()
    assert caught.value.code == "model_load"
    assert pool.alive() == 0
    assert os.listdir(scratch) == []
    assert os.listdir("/proc/self/fd") == before
    return caught.value.message


def test_a_syntax_error_has_its_line(language: str, tmp_path: Path, scratch: Path) -> None:
    path = write(tmp_path, language, UNFINISHED[language])
    message = refusal(pool_of(language, path), scratch)
    assert path.name in message
    assert f"line {3}" in message or f"{path.name}:3" in message
    problem = check_predict_file(language, path)
    assert problem is not None
    assert problem.startswith(f"{path.name}, line 3: ")


@pytest.mark.parametrize("absent", [0, 1])
def test_an_absent_function_is_named(
    language: str, tmp_path: Path, scratch: Path, absent: int
) -> None:
    function = LANGUAGES[language].functions[absent]
    path = write(tmp_path, language, GOOD[language].replace(function, "other"))
    expected = f"{path.name} defines no function {function}"
    assert expected in refusal(pool_of(language, path), scratch)
    assert check_predict_file(language, path) == expected


def test_an_error_while_loading(language: str, tmp_path: Path, scratch: Path) -> None:
    path = write(tmp_path, language, RAISING[language])
    message = refusal(pool_of(language, path), scratch)
    assert "no artifact here" in message
    assert f"({path.name}, line 2)" in message
    assert check_predict_file(language, path) is None


def test_an_exit_while_loading(language: str, tmp_path: Path, scratch: Path) -> None:
    path = write(tmp_path, language, EXITING[language])
    assert "ended while" in refusal(pool_of(language, path), scratch)


def test_a_hang_while_loading(language: str, tmp_path: Path, scratch: Path) -> None:
    path = write(tmp_path, language, HANGING[language])
    pool = pool_of(language, path, start_timeout_seconds=1)
    assert "within 1 seconds" in refusal(pool, scratch)


def test_one_of_several_workers_failing_stops_all(
    language: str, tmp_path: Path, scratch: Path
) -> None:
    refusal(pool_of(language, write(tmp_path, language, EXITING[language]), workers=2), scratch)


def test_an_absent_predict_file(language: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / LANGUAGES[language].predict_file
    refusal(pool_of(language, path), scratch)
    problem = check_predict_file(language, path)
    assert problem == f"{path.name} cannot be read: No such file or directory"


def test_an_absent_folder(language: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "gone" / LANGUAGES[language].predict_file
    assert "could not start" in refusal(pool_of(language, path, workers=2), scratch)


def test_files_beside_the_predict_file_can_be_included(
    language: str, tmp_path: Path, scratch: Path
) -> None:
    name, helper, include = WITH_HELPER[language]
    (tmp_path / name).write_text(helper)
    path = write(tmp_path, language, include + GOOD[language].replace("2", "FACTOR"))
    with pool_of(language, path) as pool:
        answer = pool.predict(from_rows([{"x": 4.0}], [Field("x", "number")]))
    assert answer.to_lists() == {"y": [8.0]}


@pytest.mark.parametrize(("absent", "install"), [("r", "r-base-core"), ("julia", "make setup")])
def test_an_absent_language_names_the_install_step(
    absent: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, absent, GOOD[absent])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolchainError, match=install) as caught:
        pool_of(absent, path).start()
    assert caught.value.code == "missing_toolchain"
    with pytest.raises(MissingToolchainError):
        check_predict_file(absent, path)


def test_a_good_file_has_no_problem(language: str, tmp_path: Path) -> None:
    path = write(tmp_path, language, GOOD[language])
    assert check_predict_file(language, path) is None
    path.write_text(path.read_text().replace("\n", "\r\n"))
    assert check_predict_file(language, path) is None


def test_functions_may_come_from_an_included_file(language: str, tmp_path: Path) -> None:
    includes = {
        "python": "from helper import load_model, predict\n",
        "r": "source('helper.R')\n",
        "julia": 'include("helper.jl")\n',
    }
    assert check_predict_file(language, write(tmp_path, language, includes[language])) is None


def test_a_file_is_checked_without_being_run(language: str, tmp_path: Path) -> None:
    path = write(tmp_path, language, HANGING[language] + GOOD[language])
    assert check_predict_file(language, path) is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x = 1\n# caf\xe9\n", "line 2: not UTF-8"),
        (b"\xef\xbb\xbfx = 1\n", "byte-order mark"),
        (b"", "defines no function load_model and no function predict"),
    ],
)
def test_a_file_in_another_encoding(
    language: str, tmp_path: Path, data: bytes, problem: str
) -> None:
    path = write(tmp_path, language, "")
    path.write_bytes(data)
    assert problem in str(check_predict_file(language, path))


OTHER_FORMS = {
    "python": "load_model = dict\nif True:\n    from os.path import join as predict\n",
    "r": "# kéy\nassign('load_model', identity); `predict_rows` <<- function(m, r) r$x\n",
    "julia": '#= two\nlines =#\n"""Döc."""\nfunction load_model(d::String)::Int where {T}\n'
    "    1\nend; y = 2\n@inline predict_rows(m, r) = 1\n\n# end\n",
}


def test_every_way_to_define_a_function_counts(language: str, tmp_path: Path) -> None:
    assert check_predict_file(language, write(tmp_path, language, OTHER_FORMS[language])) is None
