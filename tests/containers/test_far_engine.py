"""An engine on another machine, over SSH: its containers serve callers of this one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from bentos.records import ACCESS_FILE
from ci.contract.deployment import Canary, Shadow
from ci.errors import MlopsError
from ci.host.strays import end_strays
from ci.images.engine import connect
from ci.observe.logs import last
from ci.observe.recorded import newest
from ci.targets.launch import records_dir
from ci.targets.services import LIVE, Record, read_record, write_record
from ci.targets.target import bring_records
from tests.support import repositories
from tests.support.borrowed import Images, from_here
from tests.support.load import Load
from tests.support.podman import Podman, podman
from tests.support.ssh import Far, far_machine
from tests.support.switching import EXAMPLE, PORT, SLOPES, Place
from tests.support.waiting import wait_for

NAME = "tiny-python"


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    with podman(borrowing=True) as engine:
        engine.folder.chmod(0o711)
        (engine.folder / "engine.sock").chmod(0o666)
        yield engine


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    folder = Path(tempfile.mkdtemp(prefix="mlops-far-"))
    folder.chmod(0o711)
    with far_machine(folder) as far:
        yield far
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def our_key(far: Far) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{far.programs}:{os.environ['PATH']}")
        yield


@pytest.fixture
def place(engine: Podman, far: Far, tmp_path: Path) -> Iterator[Place]:
    """Version 1 is live, in a container of an engine that is reached by SSH."""
    place = Place(
        repositories.new_repository(tmp_path / "repository"),
        shadow=Shadow(rows=5),
        p99_seconds=30,
        target="docker",
        engine=f"ssh://{far.login}{engine.folder}/engine.sock",
        images=Images(engine.client, from_here(engine), engine.folder / "image.log"),
    )
    place.switch(1)
    yield place
    place.stop()
    wait_for(lambda: not place.processes())


def asked(place: Place, request_id: str = "") -> httpx.Response:
    headers = {"X-Request-ID": request_id} if request_id else {}
    body = {"rows": [EXAMPLE]}
    return httpx.post(place.url(f"/{NAME}/predict"), json=body, headers=headers, timeout=30)


def forwards(port: int) -> list[psutil.Process]:
    """The processes that bring a port here."""
    wanted = f"127.0.0.1:{port}:127.0.0.2:{port}"
    every = psutil.process_iter(["cmdline"])
    return [each for each in every if wanted in (each.info["cmdline"] or [])]


def recorded(place: Place) -> set[str]:
    bring_records(place.repository, NAME)
    return {each["request_id"] for each in newest(records_dir(place.repository, NAME), ACCESS_FILE)}


def test_callers_here_notice_no_switch_between_containers_there(
    place: Place, engine: Podman
) -> None:
    tried = replace(place, canary=Canary(share=50, seconds=2, shift=1.0))
    asked(place, "first")
    wait_for(lambda: "first" in recorded(place))
    with Load(PORT, f"/{NAME}/predict", SLOPES, callers=4) as load:
        tried.switch(2)
        place.go_back()
    assert load.failed() == {}
    assert {version for _, version in load.versions} == {1, 2}
    [container] = [each for each in engine.client.containers.list() if "-1-" in each.name]
    mounts = {each["Type"] for each in container.attrs["Mounts"]}
    assert mounts == {"volume"}, "no folder of this machine"
    asked(place, "last")
    ports = [each.port for each in read_record(place.repository, NAME).services]
    place.stop()
    assert {"first", "last"} <= recorded(place), "what was not brought before came at the end"
    found = [each["request_id"] for each in last(place.repository, NAME, 100_000).requests]
    assert len(found) == len(set(found)), "nothing is brought twice"
    assert engine.client.containers.list(all=True) == engine.client.volumes.list() == []
    assert [each for port in ports for each in forwards(port)] == []


def test_a_connection_that_breaks_is_made_again(place: Place, far: Far) -> None:
    before = read_record(place.repository, NAME)
    far.cut()
    wait_for(lambda: asked(place).status_code == 200)
    place.switch(1)
    assert read_record(place.repository, NAME) == before, "nothing had to be started"
    far.stop()
    with pytest.raises(MlopsError, match=r"Connection refused.* without a password") as caught:
        place.switch(2)
    assert caught.value.code == "no_engine"
    far.start()
    wait_for(lambda: asked(place).status_code == 200)
    assert place.switch(2).version == asked(place).json()["version"] == 2


def test_a_port_that_nobody_brings_here_any_more_is_put_right(place: Place) -> None:
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    psutil.Process(live.pid).kill()
    for each in forwards(live.port):
        each.kill()
    place.switch(1)
    assert asked(place).json()["version"] == 1
    [again] = read_record(place.repository, NAME).services
    assert again.container != live.container


def test_containers_there_that_no_record_names_are_ended(place: Place, engine: Podman) -> None:
    live = read_record(place.repository, NAME).of(LIVE)
    assert live
    other = replace(place.repository, root=place.repository.root.parent)
    end_strays(other, NAME, place.policy)
    assert len(engine.client.containers.list()) == 1, "another checkout's"
    write_record(place.repository, Record(NAME))
    end_strays(place.repository, NAME, place.policy)
    assert engine.client.containers.list(all=True) == []
    for each in [psutil.Process(live.pid), *forwards(live.port)]:
        each.kill()
    place.switch(1)
    assert asked(place).status_code == 200


def test_an_engine_there_that_does_not_answer_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.engine
    nobody = f"{place.engine}-not"
    with pytest.raises(MlopsError, match=r"on that machine, and make sure that") as caught:
        replace(place, engine=nobody).switch(2)
    assert caught.value.code == "no_engine"
    assert asked(place).json()["version"] == 1
    monkeypatch.setenv("DOCKER_HOST", nobody)
    with pytest.raises(MlopsError, match=nobody):
        connect()
    monkeypatch.setenv("DOCKER_HOST", place.engine)
    assert connect()
