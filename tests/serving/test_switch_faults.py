"""A machine that fails in the middle of a switch: callers go on reaching what they reached."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import psutil
import pytest

from ci.cli import run
from ci.errors import MlopsError
from ci.release import status
from ci.repository import Repository
from ci.targets import front, launch, services, trial
from ci.targets.services import LIVE, WARM, read_record
from tests.support import repositories
from tests.support.load import Load
from tests.support.switching import EXAMPLE, PORT, Place

NAME = "tiny-python"
PATIENCE_SECONDS = 60
WRITES = [
    (services, "write_json"),
    (launch, "write_json"),
    (trial, "write_json"),
    (front, "write_whole"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("faults") / "repository")
    yield repository
    Place(repository).stop()


@pytest.fixture
def place(shared: Repository) -> Place:
    """Version 1 is live, and nothing else runs."""
    found = Place(shared)
    found.stop()
    found.switch(1)
    return found


def asked(place: Place) -> int:
    """The version that answers callers."""
    answer = httpx.post(place.url(f"/{NAME}/predict"), json={"rows": [EXAMPLE]}, timeout=30)
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["version"]
    return version


@pytest.mark.parametrize(("module", "name"), WRITES, ids=str)
def test_a_disk_that_is_full_at_any_write(
    place: Place, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """The first write of a kind still fits, or none does, and so on, until all do."""
    version, write = place.add(2), getattr(module, name)
    for fits in itertools.count():
        written = itertools.count()

        def full(*given: Any, limit: int = fits, count: Iterator[int] = written) -> Any:
            if next(count) >= limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(*given)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            try:
                place.switch(version)
            except OSError:
                assert asked(place) == 1, fits
            else:
                break
    assert fits > 0
    assert place.switch(version).version == asked(place) == 2
    roles = [each.role for each in read_record(place.repository, NAME).services]
    assert roles == [LIVE, WARM]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        sqlite3.OperationalError("database or disk is full"),
    ],
    ids=["a file", "the registry"],
)
def test_a_full_disk_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(status, "status", full)
    assert run.run(["status", "--json"]) == 1
    assert '"disk_full"' in capsys.readouterr().out


def test_an_engine_that_is_gone(place: Place) -> None:
    away = replace(place, target="docker", engine="unix:///nowhere.sock")
    with pytest.raises(MlopsError, match="nowhere") as caught:
        away.switch(2)
    assert caught.value.code == "no_engine"
    assert asked(place) == 1
    assert [each.role for each in read_record(place.repository, NAME).services] == [LIVE]


def test_a_clock_that_jumps_back_ends_nothing_and_keeps_nothing_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr("ci.targets.local.time.time", lambda: now() - 86_400)
        place.switch(2)
        assert asked(place) == 2
        assert place.go_back().version == asked(place) == 1
    assert asked(place) == 1
    assert place.switch(3).version == asked(place) == 3
    kept = read_record(place.repository, NAME).of(WARM)
    assert kept
    assert (kept.version, kept.until > now()) == (1, True)
    assert len(read_record(place.repository, NAME).services) == 2, "version 2 had its time"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_no_caller_of_haproxy_notices_that_the_api_process_ends(
    place: Place, number: signal.Signals
) -> None:
    """What it had begun, HAProxy asks of the next process; who connects meanwhile waits."""
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    service = psutil.Process(live.pid)
    [before] = service.children()
    with Load(PORT, f"/{NAME}/predict", {1: 2.0}) as load:
        wait_until_answered(load, 200)
        before.send_signal(number)
        before.wait(timeout=PATIENCE_SECONDS)
        wait_until_answered(load, 200)
    assert load.failed() == {}
    assert [each.pid for each in service.children()] != [before.pid]


def test_haproxy_that_hangs_ends_with_the_last_model(place: Place) -> None:
    """It can't be told that nobody is to be reached, and may not go on sending callers there."""
    found = front.recorded(place.repository)
    assert found
    doorman = psutil.Process(found.pid)
    [haproxy] = doorman.children()
    doorman.suspend()  # it would end and replace a HAProxy that is stopped
    haproxy.suspend()
    place.stop()
    psutil.wait_procs([haproxy, doorman], timeout=PATIENCE_SECONDS)
    assert not place.processes()
    assert place.switch(1).version == asked(place) == 1


def wait_until_answered(load: Load, more: int) -> None:
    """So many more calls than until now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wanted = len(load.outcomes) + more
    while len(load.outcomes) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_range_of_ports_that_is_used_up(place: Place) -> None:
    with ExitStack() as taken:
        for port in range(PORT + 1, PORT + 40):
            with socket.socket() as probe:
                free = probe.connect_ex(("127.0.0.1", port)) != 0
            if free:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
        with pytest.raises(MlopsError, match=r"widen local\.first_port") as caught:
            place.switch(2)
        assert caught.value.code == "no_port"
        assert asked(place) == 1
    assert place.switch(2).version == 2
