"""Callers and the version that answers them: switched under load, killed on the way, gone back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from ci.errors import MlopsError
from ci.setup import haproxy
from ci.targets import front, local
from ci.targets.services import LIVE, WARM, read_record
from tests.support import repositories
from tests.support.load import Load
from tests.support.switching import EXAMPLE, PORT, SLOPES, SOURCE, Place

NAME = "tiny-python"
PATIENCE_SECONDS = 30
SEEN_SECONDS = 0.3
DEEP = "a-folder-whose-name-is-so-long-that-no-socket-in-it-could-have-its-whole-path-as-an-address"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("switch") / DEEP
    place = Place(repositories.new_repository(root))
    yield place
    place.stop()


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    """Version 1 is live, and nothing else runs."""
    shared.stop()
    shared.switch(1)
    yield shared
    shared.stop()
    assert wait_for_end(shared.processes()) == []


def wait_for_end(found: list[psutil.Process]) -> list[psutil.Process]:
    alive: list[psutil.Process]
    _, alive = psutil.wait_procs(found, timeout=PATIENCE_SECONDS)
    return alive


def asked(place: Place, name: str = NAME) -> int | None:
    """The version that answers callers."""
    answer = httpx.post(place.url(f"/{name}/predict"), json={"rows": [EXAMPLE]}, timeout=30)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["predictions"] == [SLOPES[found["version"]] + 1]
    version: int = found["version"]
    return version


def switch_and_go_back(place: Place, times: int, requests: int) -> Load:
    """Each switch is to a process that is new, and taken back to the one before, which is warm."""
    with Load(PORT, f"/{NAME}/predict", SLOPES) as load:
        for number in range(2, times + 2):
            place.switch(number)
            time.sleep(SEEN_SECONDS)
            assert place.go_back().version == 1
            time.sleep(SEEN_SECONDS)
        while len(load.outcomes) < requests:
            time.sleep(0.1)
    assert load.failed() == {}
    assert {version for _, version in load.versions} == set(range(1, times + 2))
    return load


def test_no_caller_notices_a_switch(place: Place) -> None:
    switch_and_go_back(place, times=2, requests=2_000)


@pytest.mark.long
def test_ten_switches_and_ten_rollbacks_lose_none_of_fifty_thousand(place: Place) -> None:
    load = switch_and_go_back(place, times=10, requests=50_000)
    print(f"0 of {len(load.outcomes)} requests failed")


def test_a_rollback_starts_nothing(place: Place) -> None:
    before = read_record(place.repository, NAME).of(LIVE)
    place.switch(2)
    again = place.go_back()
    assert before
    assert (again.pid, again.version) == (before.pid, 1)
    assert asked(place) == 1
    kept = read_record(place.repository, NAME).of(WARM)
    assert kept
    assert kept.version == 2


def test_what_is_live_already_stays_as_it_is(place: Place) -> None:
    place.switch(2)
    before = read_record(place.repository, NAME)
    assert [each.role for each in before.services] == [LIVE, WARM]
    place.switch(2)
    assert read_record(place.repository, NAME) == before


def test_one_connection_reaches_the_right_model_each_time(place: Place) -> None:
    other = place.add(1, "tiny-other")
    place.switch(other)
    with httpx.Client(base_url=place.url()) as client:
        for _ in range(20):
            for name in (NAME, "tiny-other"):
                found = client.post(f"/{name}/predict", json={"rows": [EXAMPLE]}).json()
                assert found["model"] == name


def test_one_address_lists_all_models(place: Place) -> None:
    rows = httpx.get(place.url("/models.json")).json()["models"]
    assert [(row["model"], row["version"], row["path"]) for row in rows] == [
        (NAME, 1, f"/{NAME}/predict")
    ]
    page = httpx.get(place.url("/"))
    assert page.headers["content-type"].startswith("text/html")
    assert f'<a href="{NAME}/">' in page.text
    assert "Doubles x." in page.text
    form = httpx.get(place.url(f"/{NAME}"), follow_redirects=True)
    assert (form.status_code, form.url.path) == (200, f"/{NAME}/")
    missing = httpx.get(place.url("/nobody/predict"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_what_was_kept_warm_is_ended_after_its_time(place: Place) -> None:
    short = Place(place.repository, warm_seconds=0.5)
    short.switch(2)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while read_record(place.repository, NAME).of(WARM):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert asked(place) == 2
    assert len(read_record(place.repository, NAME).services) == 1


def test_haproxy_comes_back_by_itself(place: Place) -> None:
    [process] = [each for each in place.processes() if "-db" in each.cmdline()]
    process.kill()
    assert asked(place) == 1, "callers wait in the queue of the open socket"


def test_a_switch_brings_back_what_keeps_haproxy(place: Place) -> None:
    running = front.recorded(place.repository)
    assert running
    both = [each for each in place.processes() if {"-db", str(PORT)} & set(each.cmdline())]
    psutil.Process(running.pid).kill()
    assert wait_for_end(both) == []
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    assert local.state(place.repository, live, place.policy.local) == "not ready"
    place.switch(2)
    assert asked(place) == 2


BAD = {
    "does not start": ("start_failed", "raise SystemExit\n"),
    "does not answer": (
        "probe_failed",
        SOURCE.replace("y = model", "raise ValueError\n    y = model"),
    ),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_version_that_fails_changes_nothing(place: Place, kind: str) -> None:
    code, source = BAD[kind]
    bad = place.add(20 + list(BAD).index(kind), source=source)
    with pytest.raises(MlopsError) as caught:
        place.switch(bad)
    assert caught.value.code == code
    assert asked(place) == 1
    assert [each.role for each in read_record(place.repository, NAME).services] == [LIVE]


def test_without_haproxy_nothing_is_started(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "find", lambda: None)
    with pytest.raises(MlopsError, match="apt-get install haproxy") as caught:
        place.switch(2)
    assert caught.value.code == "no_haproxy"
    assert asked(place) == 1


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_the_next_command_finishes_or_goes_back(
    place: Place, stride: int
) -> None:
    short = Place(place.repository, warm_seconds=0)
    live, step, killed, finish = 1, 1, True, True
    short.switch(live)
    with Load(PORT, f"/{NAME}/predict", SLOPES, callers=2) as load:
        while killed:
            wanted = 3 - live
            killed = switch_killed_at(step, place.repository.root, place.add(wanted).version)
            assert asked(place) in (1, 2), step
            live = short.switch(wanted if finish or not killed else live).version
            assert asked(place) == live, step
            assert [each.role for each in read_record(place.repository, NAME).services] == [LIVE]
            step, finish = step + stride, not finish
    assert load.failed() == {}
    assert step > 20


def switch_killed_at(step: int, root: Path, number: int) -> bool:
    """Whether the switch was killed; False where it has no such step, and was made."""
    program = [sys.executable, "-m", "tests.support.switching"]
    done = subprocess.run(
        [*program, str(root), str(number), str(step)],
        cwd=repositories.SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0
