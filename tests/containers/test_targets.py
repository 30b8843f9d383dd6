"""What every target promises, held against processes and against containers of a real engine.

Callers and the version that answers them: switched under load, killed on the way, gone back.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import psutil
import pytest
import yaml

from bentos.records import ACCESS_FILE
from ci.contract.deployment import Canary, Shadow
from ci.errors import MlopsError
from ci.files import read_json
from ci.keys import make, revoke
from ci.observe.logs import last
from ci.observe.recorded import newest
from ci.repository import Repository
from ci.setup import haproxy
from ci.targets import front, launch, local, maps
from ci.targets.launch import records_dir
from ci.targets.services import LIVE, WARM, Service, read_record
from ci.targets.target import bring_records, home
from tests.support import repositories
from tests.support.borrowed import Images, from_here
from tests.support.dockerd import dockerd
from tests.support.load import Load
from tests.support.podman import podman
from tests.support.switching import EXAMPLE, PORT, SLOPES, SOURCE, Place
from tests.support.waiting import wait_for

NAME = "tiny-python"
PATIENCE_SECONDS = 60
SEEN_SECONDS = 0.3
DEEP = "a-folder-whose-name-is-so-long-that-no-socket-in-it-could-have-its-whole-path-as-an-address"
TARGETS = ["local", "docker"]
FEW = Shadow(rows=5)
SLOW_SECONDS = 30.0  # a machine that is loaded is no reason to go back


@pytest.fixture(scope="module", params=[*TARGETS, pytest.param("dockerd", marks=pytest.mark.long)])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("targets") / DEEP)
    place = Place(repository, shadow=FEW, p99_seconds=SLOW_SECONDS)
    if request.param == "local":
        yield place
        place.stop()
        return
    with podman(borrowing=True) if request.param == "docker" else dockerd() as engine:
        images = Images(engine.client, from_here(engine), engine.folder / "image.log")
        place = replace(place, target="docker", engine=engine.host, images=images)
        yield place
        place.stop()


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    """Version 1 is live."""
    shared.switch(1)
    yield shared
    shared.stop()
    wait_for(lambda: not shared.processes())
    assert not (shared.engine and shared.containers())


def asked(place: Place, name: str = NAME, **headers: str) -> int | None:
    """The version that answers callers."""
    url, body = place.url(f"/{name}/predict"), {"rows": [EXAMPLE]}
    answer = httpx.post(url, json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["predictions"] == [SLOPES[found["version"]] + 1]
    version: int = found["version"]
    return version


def switch_and_go_back(place: Place, times: int, requests: int) -> Load:
    """Each switch is to a service that is new, and taken back to the one before, which is warm."""
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


def test_no_caller_notices_a_switch_or_a_rollback(place: Place) -> None:
    switch_and_go_back(place, times=2, requests=2_000)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_switches_and_ten_rollbacks_lose_none_of_fifty_thousand(place: Place) -> None:
    load = switch_and_go_back(place, times=10, requests=50_000)
    print(f"0 of {len(load.outcomes)} requests failed on {place.target}")


def test_a_rollback_starts_nothing_and_a_second_deployment_changes_nothing(place: Place) -> None:
    before = read_record(place.repository, NAME).of(LIVE)
    place.switch(2)
    record = read_record(place.repository, NAME)
    assert [each.role for each in record.services] == [LIVE, WARM]
    place.switch(2)
    assert read_record(place.repository, NAME) == record
    again = place.go_back()
    assert before
    assert (again.key, again.version) == (before.key, 1)
    assert asked(place) == 1
    kept = read_record(place.repository, NAME).of(WARM)
    assert kept
    assert kept.version == 2


def test_one_connection_reaches_the_right_model_each_time(place: Place) -> None:
    place.switch(place.add(1, "tiny-other"))
    with httpx.Client(base_url=place.url()) as client:
        for _ in range(20):
            for name in (NAME, "tiny-other"):
                found = client.post(f"/{name}/predict", json={"rows": [EXAMPLE]}).json()
                assert found["model"] == name


@pytest.mark.parametrize("shared", ["local"], indirect=True)
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
    replace(place, warm_seconds=0.5).switch(2)
    wait_for(lambda: len(read_record(place.repository, NAME).services) == 1)
    assert asked(place) == 2
    assert not place.engine or len(place.containers()) == 1


@pytest.mark.parametrize("shared", ["local"], indirect=True)
def test_haproxy_comes_back_by_itself(place: Place) -> None:
    [process] = [each for each in place.processes() if "-db" in each.cmdline()]
    process.kill()
    assert asked(place) == 1, "callers wait in the queue of the open socket"


@pytest.mark.parametrize("shared", ["local"], indirect=True)
def test_a_switch_brings_back_what_keeps_haproxy(place: Place) -> None:
    running = front.recorded(place.repository)
    assert running
    both = [each for each in place.processes() if {"-db", str(PORT)} & set(each.cmdline())]
    psutil.Process(running.pid).kill()
    assert psutil.wait_procs(both, timeout=PATIENCE_SECONDS)[1] == []
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    assert local.state(place.repository, live, place.policy.local) == "not ready"
    place.switch(2)
    assert asked(place) == 2


def test_a_stop_leaves_nothing_and_a_start_serves_the_same_version(place: Place) -> None:
    place.stop()
    stopped = local.recorded(place.repository, NAME)
    assert stopped
    assert not home(stopped).runs(stopped)
    assert local.state(place.repository, stopped, place.policy.local) == "stopped"
    again = local.resume(place.repository, place.add(1), EXAMPLE, place.policy)
    assert (again.version, asked(place)) == (1, 1)
    assert again.key != stopped.key


BAD = {
    "does not start": ("start_failed", "can't serve: .*startup hook", "raise SystemExit\n"),
    "does not answer": (
        "probe_failed",
        "answered the contract's example with 500",
        SOURCE.replace("y = model", "raise ValueError\n    y = model"),
    ),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_version_that_fails_changes_nothing(place: Place, kind: str) -> None:
    code, said, source = BAD[kind]
    bad = place.add(20 + list(BAD).index(kind), source=source)
    with pytest.raises(MlopsError, match=said) as caught:
        place.switch(bad)
    assert caught.value.code == code
    assert asked(place) == 1
    assert [each.role for each in read_record(place.repository, NAME).services] == [LIVE]


@pytest.mark.parametrize("shared", ["local"], indirect=True)
def test_without_haproxy_nothing_is_started(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "find", lambda: None)
    with pytest.raises(MlopsError, match="apt-get install haproxy") as caught:
        place.switch(2)
    assert caught.value.code == "no_haproxy"
    assert asked(place) == 1


def test_one_whose_process_is_gone_is_replaced_by_the_next_command(place: Place) -> None:
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    if place.engine:
        [container] = place.containers()
        container.kill()
        wait_for(lambda: not home(live).runs(live))
    else:
        psutil.Process(live.pid).kill()
    place.switch(1)
    assert asked(place) == 1
    again = read_record(place.repository, NAME).of(LIVE)
    assert again
    assert again.key != live.key


def test_shadow_and_canary_look_at_what_was_recorded(place: Place) -> None:
    asked(place)
    wait_for(lambda: logged(place) > 0)
    tried = replace(place, canary=Canary(share=50, seconds=2))
    with Load(PORT, f"/{NAME}/predict", SLOPES) as load:
        tried.switch(2)
    assert load.failed() == {}
    path = launch.release_path(place.repository, NAME, 2)
    shadow = read_json(path.with_suffix(".shadow.json"))
    canary = read_json(path.with_suffix(".canary.json"))
    assert shadow
    assert canary
    assert (shadow["against"], shadow["failed"]) == (1, 0)
    assert shadow["calls"] > 0
    assert canary["problem"] is None
    assert min(canary["canary"]["calls"], canary["live"]["calls"]) > 0
    assert canary["shift"] is not None, "both versions' predictions were brought"


def test_a_canary_that_fails_goes_back(place: Place) -> None:
    source = SOURCE.replace(
        "y = model", 'if rows["x"].iloc[0] > 1.5: raise ValueError\n    y = 12.0'
    )
    bad = place.add(11, source=source)
    tried = replace(place, canary=Canary(share=50, seconds=60), shadow=Shadow(rows=0))
    with Load(PORT, f"/{NAME}/predict", SLOPES) as load:
        with pytest.raises(MlopsError, match=r"back to version 1: as a canary, .* failed"):
            tried.switch(bad)
        before = len(load.outcomes)
        wait_for(lambda: len(load.outcomes) > before + 200)
    assert {outcome for _, outcome in load.outcomes[before + 16 :]} == {"ok"}
    assert [each.version for each in read_record(place.repository, NAME).services] == [1]


def test_a_version_is_ended_once_callers_have_what_it_was_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.switch(2)
    old = read_record(place.repository, NAME).of(LIVE)
    assert old is not None
    folder, waited, end = front.folder_of(place.repository), [], local._ended

    def seen(repository: Repository, service: Service) -> bool:
        waited.append(maps.under_way(folder, [old.port]))
        return end(repository, service)

    monkeypatch.setattr(local, "_ended", seen)
    body = {"rows": [EXAMPLE | {"mode": "slow"}]}
    with ThreadPoolExecutor() as callers:
        call = callers.submit(httpx.post, place.url(f"/{NAME}/predict"), json=body, timeout=60)
        wait_for(lambda: maps.under_way(folder, [old.port]))
        assert replace(place, warm_seconds=0).go_back().version == 1
        assert call.result().json()["version"] == 2
    assert waited == [0]


def test_who_waits_while_the_only_model_is_stopped_is_answered(place: Place) -> None:
    live, folder = read_record(place.repository, NAME).of(LIVE), front.folder_of(place.repository)
    assert live is not None
    body = {"rows": [EXAMPLE | {"mode": "slow"}]}
    with ThreadPoolExecutor() as callers:
        call = callers.submit(httpx.post, place.url(f"/{NAME}/predict"), json=body, timeout=60)
        wait_for(lambda: maps.under_way(folder, [live.port]))
        place.stop()
        assert call.result().json()["version"] == 1
    assert front.recorded(place.repository) is None


def logged(place: Place) -> int:
    bring_records(place.repository, NAME)
    return len(list(newest(records_dir(place.repository, NAME), ACCESS_FILE)))


def slow_calls(place: Place) -> int:
    return last(place.repository, NAME, 10_000).output.count("a slow call")


def test_what_it_recorded_and_printed_outlives_it(place: Place) -> None:
    before, printed = logged(place), slow_calls(place) + 1
    asked(place, **{"X-Request-ID": "first"})
    wait_for(lambda: logged(place) > before)
    body = {"rows": [EXAMPLE | {"mode": "slow"}]}
    assert httpx.post(place.url(f"/{NAME}/predict"), json=body, timeout=60).status_code == 200
    wait_for(lambda: slow_calls(place) == printed)
    asked(place, **{"X-Request-ID": "last"})
    place.stop()
    found = last(place.repository, NAME, 10_000)
    requests = [each["request_id"] for each in found.requests]
    assert {"first", "last"} <= set(requests)
    assert len(requests) == len(set(requests)), "nothing is brought twice"
    assert slow_calls(place) == printed


def test_a_key_that_was_revoked_opens_nothing(place: Place) -> None:
    repository = place.repository
    access = repository.policies_dir / "access.yaml"
    text, rules = access.read_text(), {"models": [NAME], "requests_per_minute": 600}
    access.write_text(yaml.safe_dump(yaml.safe_load(text) | {"departments": {"marketing": rules}}))
    (repository.root / "models" / NAME).mkdir(parents=True)
    (repository.root / "models" / NAME / "model.yaml").touch()
    url = place.url(f"/{NAME}/predict")

    def refused(headers: dict[str, str]) -> bool:
        return httpx.post(url, json={"rows": [EXAMPLE]}, headers=headers).status_code == 401

    try:
        made = make(repository, "marketing", [NAME], 1.0)
        wait_for(lambda: refused({}))
        key = {"X-API-Key": made.secret}
        assert asked(place, **key) == 1
        assert place.switch(2).version == asked(place, **key) == 2
        revoke(repository, made.id)
        wait_for(lambda: refused(key))
    finally:
        access.write_text(text)
        (repository.state_dir / "access.json").unlink()
        shutil.rmtree(repository.root / "models" / NAME)


# A container is started, filled and ended by more steps than a process.
@pytest.mark.parametrize(
    ("shared", "stride"),
    [("local", 7), ("docker", 37), *(pytest.param(t, 1, marks=pytest.mark.long) for t in TARGETS)],
    indirect=["shared"],
)
@pytest.mark.timeout(3600)
def test_killed_at_any_step_the_next_command_finishes_or_goes_back(
    place: Place, stride: int
) -> None:
    short = replace(place, warm_seconds=0)
    live, step, killed, finish = short.switch(2).version, 1, True, True
    with Load(PORT, f"/{NAME}/predict", SLOPES, callers=2) as load:
        while killed:
            wanted = 3 - live
            killed = switch_killed_at(step, place, wanted)
            assert asked(place) in (1, 2), step
            live = short.switch(wanted if finish or not killed else live).version
            assert asked(place) == live, step
            assert [each.role for each in read_record(place.repository, NAME).services] == [LIVE]
            assert not place.engine or len(place.containers()) == 1, step
            step, finish = step + stride, not finish
    assert load.failed() == {}
    assert step > 20


def switch_killed_at(step: int, place: Place, number: int) -> bool:
    """Whether the switch was killed; False where it has no such step, and was made."""
    program = [sys.executable, "-m", "tests.support.switching"]
    engine = [place.engine] if place.engine else []
    done = subprocess.run(
        [*program, str(place.repository.root), str(number), str(step), *engine],
        cwd=repositories.SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0
