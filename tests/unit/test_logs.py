"""`mlops logs`, on what the service's own recorder writes."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bentos.records
from bentos.bundle import Bundle
from bentos.columns import rows_frame
from bentos.frames import Field, from_rows
from bentos.records import Records
from ci.observe import recorded
from ci.repository import Repository
from ci.targets.launch import log_path, records_dir
from tests.support import services
from tests.support.command import MLOPS, mlops, result
from tests.support.repositories import new_repository, write_model

NAME = "campaign"
WAIT_SECONDS = 20.0


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, NAME)
    return made


def record(repository: Repository, *ids: str) -> None:
    """Calls with these ids, written as the service writes them."""
    bundle = Bundle(Path(), services.contract("r") | {"name": NAME}, {"version": 3})
    records = Records(records_dir(repository, NAME), bundle)
    answered = from_rows([{"y": 2.0}, {"y": 4.0}], [Field("y", "number")])
    for each in ids:
        call = {"method": "POST", "path": "/predict", "caller": "", "code": "", "status": 200}
        records.request({"time": 0.0, "request_id": each, "rows": 2, "ms": 1.5, **call})
        rows = [{"x": 1.0, "n": 1, "mode": "ok"}, {"x": 2.0, "n": None, "mode": "ok"}]
        records.predicted(0.0, each, rows_frame(rows, bundle.inputs), answered)
        time.sleep(0.02)
    records.close()


def printed(repository: Repository, *lines: str) -> None:
    path = log_path(repository, NAME)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["request_id"] for each in found]


def test_the_newest_come_last_through_rotated_files(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bentos.records, "FILE_BYTES", 1)
    monkeypatch.setattr(bentos.records, "FLUSH_SECONDS", 0.001)
    monkeypatch.setattr(recorded, "BLOCK_BYTES", 7)
    record(repository, *"abcde")
    assert len(list(records_dir(repository, NAME).glob("access-*.jsonl"))) > 1
    printed(repository, "one", "two", "three é", "four")
    found = result(repository.root, "logs", NAME, "--lines", "3")
    assert found["output"] == ["two", "three é", "four"]
    assert ids(found["requests"]) == ["c", "d", "e"]
    assert found["predictions"] == []


@pytest.mark.parametrize("size", [1, 3, 64])
def test_lines_are_whole_whatever_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(recorded, "BLOCK_BYTES", size)
    path = tmp_path / "file"
    path.write_bytes(b"a\n\nbcd\nlonger than a block\nnot ended")
    lines = [b"not ended", b"longer than a block", b"bcd", b"a"]
    assert list(recorded.lines_backwards(path)) == lines


def test_a_request_joins_what_was_recorded_predicted_and_printed(repository: Repository) -> None:
    record(repository, "one", "two", "two-and-more")
    printed(repository, "request one: model_error: x", "request two: model_error: y")
    found = result(repository.root, "logs", NAME, "--request", "two")
    assert found["output"] == ["request two: model_error: y"]
    assert ids(found["requests"]) == ids(found["predictions"]) == ["two"]
    assert found["predictions"][0]["inputs"]["n"] == [1, None]
    unknown = mlops(repository.root, "logs", NAME, "--request", "three", "--json")
    assert unknown.error == "unknown_request"


def test_a_record_that_a_crash_cut_off_is_left_out(repository: Repository) -> None:
    record(repository, "one")
    with (records_dir(repository, NAME) / "access.jsonl").open("a") as file:
        file.write('{"time":"2026')
    assert ids(result(repository.root, "logs", NAME)["requests"]) == ["one"]


def test_following_goes_on_through_a_rotation(repository: Repository, following: list[str]) -> None:
    def wait_for(text: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not any(text in line for line in following):
            assert time.monotonic() < deadline, following
            time.sleep(0.02)

    wait_for("before")
    record(repository, "second")
    wait_for("second")
    path = records_dir(repository, NAME) / "access.jsonl"
    path.rename(path.with_name("access-20260101T000000000000.jsonl"))
    record(repository, "third")
    wait_for("third")
    printed(repository, "after")
    wait_for("after")


@pytest.fixture
def following(repository: Repository) -> Iterator[list[str]]:
    """The lines that `mlops logs --follow` has printed so far."""
    printed(repository, "before")
    record(repository, "first")
    lines: list[str] = []
    with subprocess.Popen(
        [MLOPS, "logs", NAME, "--follow"], cwd=repository.root, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        printing = iter(process.stdout.readline, "")
        reader = threading.Thread(target=lambda: lines.extend(printing))
        reader.start()
        yield lines
        process.terminate()
        reader.join()


def test_what_can_not_be_shown_is_said(repository: Repository) -> None:
    assert mlops(repository.root, "logs", NAME, "--json").error == "no_logs"
    assert mlops(repository.root, "logs", "campain", "--json").error == "unknown_model"
    printed(repository, "one")
    assert mlops(repository.root, "logs", NAME, "--follow", "--json").code == 2
    assert mlops(repository.root, "logs", NAME, "--lines", "0").code == 2
    assert mlops(repository.root, "logs", NAME).stdout == "Printed:\none\n"
