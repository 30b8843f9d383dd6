"""What only containers can do wrong: limits, images, an engine that is gone, a move of targets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from docker.models.containers import Container

from bentos.records import FILE_BYTES, PREDICTIONS_FILE
from ci.contract.deployment import DeploymentPolicy, Shadow
from ci.contract.policy import load_policy
from ci.doctor.services import services
from ci.errors import MlopsError
from ci.events.event import Lineage
from ci.host.strays import end_strays
from ci.images.engine import Engine
from ci.images.recipes import BENTO, PYTHON, USER
from ci.keys import make, revoke
from ci.targets import image
from ci.targets.carried import carry, forget, own_folder
from ci.targets.engine import client_at
from ci.targets.given import PLACE_LABEL
from ci.targets.image import DIGEST_LABEL, bring_image
from ci.targets.launch import records_dir
from ci.targets.services import LIVE, Record, read_record, write_record
from tests.support import repositories
from tests.support.borrowed import Images, from_here
from tests.support.hosting import new_fleet
from tests.support.load import Load
from tests.support.podman import Podman, podman
from tests.support.registry import LOGIN, serving
from tests.support.services import free_port
from tests.support.switching import EXAMPLE, PORT, SLOPES, Place

NAME = "tiny-python"


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    with podman(registry_port=free_port(), borrowing=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared(engine: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("docker") / "repository")
    images = Images(engine.client, from_here(engine), engine.folder / "image.log")
    place = Place(
        repository,
        shadow=Shadow(rows=0),
        p99_seconds=30,
        target="docker",
        engine=engine.host,
        images=images,
    )
    yield place
    place.stop()


@pytest.fixture(autouse=True)
def answering(engine: Podman) -> None:
    if engine.service.poll() is not None:
        engine.start()
        client_at.cache_clear()


@pytest.fixture
def place(shared: Place) -> Place:
    """Version 1 is live in a container."""
    shared.switch(1)
    return shared


def live(place: Place) -> Any:
    return read_record(place.repository, NAME).of(LIVE)


def asked(place: Place) -> int:
    """The version that answers callers."""
    answer = httpx.post(place.url(f"/{NAME}/predict"), json={"rows": [EXAMPLE]}, timeout=30)
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["version"]
    return version


def test_a_container_may_do_no_more_than_it_must(place: Place, engine: Podman) -> None:
    container = engine.client.containers.get(live(place).container)
    found = container.attrs
    images = {"label": f"{DIGEST_LABEL}={place.add(1).digest}"}
    [own] = engine.client.images.list(filters=images)
    assert found["Image"].removeprefix("sha256:") == own.id.removeprefix("sha256:")
    rules = found["HostConfig"]
    assert rules["ReadonlyRootfs"]
    assert rules["RestartPolicy"]["Name"] == "always"
    assert rules["Memory"] == (4 << 30) + (1 << 30)
    assert rules["PidsLimit"] > 0
    assert not rules["Privileged"]
    assert {port["HostIp"] for ports in rules["PortBindings"].values() for port in ports} == {
        "127.0.0.1"
    }
    status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == facts["Gid"].split() == [str(USER)] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    for folder in (BENTO, "/"):
        write = container.exec_run([PYTHON, "-c", f"open('{folder}/x', 'w')"])
        assert write.exit_code == 1, folder


def test_an_image_that_holds_another_bento_is_refused(place: Place) -> None:
    version = place.add(4)
    forged = replace(version, digest="f" * 64)
    assert place.images
    place.images.add(place.repository, version, forged.digest)
    with pytest.raises(MlopsError, match="holds another Bento") as caught:
        replace(place, images=None).switch(forged)
    assert caught.value.code == "other_image"
    assert asked(place) == 1
    assert [each.container for each in read_record(place.repository, NAME).services] == [
        each.name for each in place.containers()
    ]


def test_a_version_without_an_image_says_so(place: Place) -> None:
    with pytest.raises(MlopsError, match="mlops package tiny-python --image") as caught:
        replace(place, images=None).switch(5)
    assert caught.value.code == "no_image"
    assert asked(place) == 1


def test_a_released_image_is_pulled_by_its_digest(
    place: Place, engine: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = place.add(6)
    assert place.images
    place.images.add(place.repository, version)
    [own] = engine.client.images.list(filters={"label": f"{DIGEST_LABEL}={version.digest}"})
    with serving(engine.registry_port, tmp_path) as address:
        digest = Engine(engine.client).push(own.id, f"{address}/{NAME}:6", LOGIN)
        engine.client.images.remove(own.id, force=True)
        lineage = Lineage(
            version=6,
            run_id="",
            trained_at="2017-01-01T00:00:00+00:00",
            fingerprint=version.fingerprint,
            bento=version.bento,
            digest=version.digest,
            image=f"{address}/{NAME}@{digest}",
        )
        monkeypatch.setattr(image, "_known", lambda *_: lineage)
        bring_image(engine.host, engine.client, place.repository, version)
    assert engine.client.images.list(filters={"label": f"{DIGEST_LABEL}={version.digest}"})


def test_a_model_moves_between_targets_and_no_caller_notices(place: Place) -> None:
    here = replace(place, target="local")
    with Load(PORT, f"/{NAME}/predict", SLOPES, callers=4) as load:
        assert not here.switch(1).container
        assert place.containers() == []
        assert here.switch(1) == live(place), "it is where it should be"
        assert place.switch(1).container
    assert load.failed() == {}
    assert [each.name for each in place.containers()] == [live(place).container]


def test_containers_that_no_record_names_are_ended(place: Place) -> None:
    write_record(place.repository, Record(NAME))
    end_strays(place.repository, NAME, place.policy)
    assert place.containers() == []


def test_what_is_recorded_is_brought_once_though_files_are_rotated_and_dropped(
    place: Place,
) -> None:
    service = replace(live(place), container="made-up")
    folder = records_dir(place.repository, NAME)
    own = own_folder(place.repository, service)
    for path in folder.glob("predictions*"):
        path.unlink()

    def write(name: str, text: str) -> None:
        with (own / name).open("a") as file:
            file.write(text)

    def brought() -> str:
        carry(place.repository, service)
        return (folder / PREDICTIONS_FILE).read_text()

    write("predictions-1.jsonl", "a\nb\n")
    write(PREDICTIONS_FILE, "c\nhalf")
    assert brought() == brought() == "a\nb\nc\n"
    (own / "predictions-1.jsonl").unlink()
    write(PREDICTIONS_FILE, " done\n")
    (own / PREDICTIONS_FILE).rename(own / "predictions-2.jsonl")
    write(PREDICTIONS_FILE, "e\n")
    assert brought() == "a\nb\nc\nhalf done\ne\n"
    (folder / PREDICTIONS_FILE).write_text(" " * FILE_BYTES + "\n")
    write(PREDICTIONS_FILE, "f\n")
    assert brought() == "f\n", "what is full here is rotated here too"
    forget(place.repository, service)
    assert list(own.parent.glob("made-up*")) == []


def test_an_engine_that_dies_in_the_middle_leaves_the_old_version_answering(
    place: Place, engine: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, start = place.repository, Container.start
    access = repository.policies_dir / "access.yaml"
    rules = {"departments": {"marketing": {"models": [NAME], "requests_per_minute": 600}}}
    access.write_text(yaml.safe_dump(yaml.safe_load(access.read_text()) | rules))
    (repository.root / "models" / NAME).mkdir(parents=True)
    (repository.root / "models" / NAME / "model.yaml").touch()
    key = make(repository, "marketing", [NAME], 1.0)

    def die(container: Any) -> None:
        os.kill(engine.service.pid, signal.SIGKILL)
        engine.service.wait()
        start(container)

    monkeypatch.setattr(Container, "start", die)
    with pytest.raises(MlopsError, match=f"No container engine answers at {engine.host}") as caught:
        place.switch(2)
    assert caught.value.code == "no_engine"
    monkeypatch.undo()
    headers = {"X-API-Key": key.secret}
    url = place.url(f"/{NAME}/predict")
    answer = httpx.post(url, json={"rows": [EXAMPLE]}, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    with pytest.raises(MlopsError, match=f"{key.id} is revoked, but mlops-{NAME}-1") as caught:
        revoke(repository, key.id)
    assert caught.value.code == "still_valid"
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(f"{policy.read_text()}target: docker\ndocker: {{engine: {engine.host}}}\n")
    assert load_policy(repository, DeploymentPolicy).target == "docker"
    assert "engine" in {finding.about for finding in services(repository)}

    engine.start()
    client_at.cache_clear()
    revoke(repository, key.id)
    access.write_text(access.read_text().replace("marketing", "sales"))
    (repository.state_dir / "access.json").unlink()
    place.switch(2)
    assert asked(place) == 2
    names = {each.container for each in read_record(repository, NAME).services}
    assert {each.name for each in place.containers()} == names


def test_a_host_serves_containers_and_puts_them_right(engine: Podman, tmp_path: Path) -> None:
    fleet = new_fleet(tmp_path)
    fleet.declare(target="docker", docker={"engine": engine.host}, shadow={"rows": 0})
    release = fleet.release(1)
    north = fleet.host("north")
    try:
        assert "mlops images lock" in north.refused("unwell"), "no image, and no base to build on"
        images = Images(engine.client, from_here(engine), engine.folder / "image.log")
        images.add(north.repository, release.as_version())
        assert north.well()[NAME]["state"] == "running"
        assert north.asked() == 1
        [container] = containers(engine, north.root)
        container.remove(force=True)
        north.well()
        assert north.asked() == 1
        (north.repository.state_dir / "live" / f"{NAME}.json").unlink()
        north.well()
        assert north.asked() == 1
        assert len(containers(engine, north.root)) == 1, "what no record named was ended"
    finally:
        north.stop()
    assert containers(engine, north.root) == []


def containers(engine: Podman, root: Path) -> list[Any]:
    """All that a checkout started."""
    found = {"label": f"{PLACE_LABEL}={root}"}
    return list(engine.client.containers.list(all=True, filters=found))
