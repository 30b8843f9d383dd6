"""schemathesis against the document of a served model, as anybody could run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import all_types, services
from tests.support.services import Running

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("schemathesis")
# A table of wrong columns fits its schema, which says no more than "bytes".
NOT_OF_BAD_TABLES = "positive_data_acceptance"
LONG = pytest.mark.long
# Thousands of examples, each of several calls.
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(
    scope="module",
    params=["python", pytest.param("r", marks=LONG), pytest.param("julia", marks=LONG)],
)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    language = request.param
    root = tmp_path_factory.mktemp(f"fuzzing-{language}")
    rules = all_types.contract(language)
    bento = services.build_tiny(root, language, all_types.SOURCES[language], rules)
    running = services.serve(bento, root / "run")
    assert running.wait_until_answered().status_code == 200
    yield running
    running.stop()


def fuzz(service: Running, folder: Path, examples: int, *options: str, **variables: str) -> None:
    """Every check of schemathesis on every path; what it says is the test's failure."""
    address = f"http://127.0.0.1:{service.port}/docs.json"
    count = f"--max-examples={examples}"
    always = ["--checks=all", "--continue-on-failure", "--no-color", "--seed=1"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.support.fuzzed_tables", "PYTHONPATH": str(ROOT)}
    before = service.workers()
    done = subprocess.run(
        [str(PROGRAM), "run", address, count, *always, *options],
        cwd=folder,
        env={**os.environ, **hooks, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-15000:] + done.stderr
    assert service.workers() == before, "no request costs a worker its life"


@pytest.mark.parametrize("examples", [40, pytest.param(1000, marks=LONG)])
def test_schemathesis_finds_nothing(service: Running, tmp_path: Path, examples: int) -> None:
    fuzz(service, tmp_path, examples)


@pytest.mark.parametrize("examples", [100, pytest.param(2000, marks=LONG)])
def test_tables_of_any_bytes_get_a_documented_answer(
    service: Running, tmp_path: Path, examples: int
) -> None:
    without = ("--exclude-checks", NOT_OF_BAD_TABLES, "--include-path=/predict")
    fuzz(service, tmp_path, examples, *without, BAD_TABLES="1")
