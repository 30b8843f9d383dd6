"""Hosts: real services behind real HAProxies, two clones on one machine, a bare remote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ci.assets.folder import releases_folder
from ci.events.event import Draft
from ci.events.log import released_log
from ci.host.records import Lease, read_lease, write_lease
from ci.repository import Repository
from ci.state.records import pin, put_in_production, released, versions
from ci.targets import front, local
from ci.targets.launch import bento_folder
from ci.targets.services import CANARY, LIVE, WARM, Record, read_record, write_record
from tests.e2e.test_documented_json import assert_documented
from tests.support.command import MLOPS, mlops, result
from tests.support.hosting import NAME, PREDICT, Fleet, Host, new_fleet, port_of
from tests.support.repositories import git
from tests.support.waiting import wait_for

PATIENCE_SECONDS = 90
BROKEN = PREDICT.replace("def load_model(directory):", "def load_model(directory):\n    boom()")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Version 1 is released, and nobody serves it; to be copied."""
    fleet = new_fleet(tmp_path_factory.mktemp("fleet"))
    fleet.release(1)
    return fleet


@pytest.fixture
def fleet(ready: Fleet, tmp_path: Path) -> Fleet:
    folder = tmp_path / "fleet"
    shutil.copytree(ready.folder, folder, symlinks=True)
    made = Fleet(folder, Repository(folder / "office"))
    subprocess.run(
        ["git", "remote", "set-url", "origin", str(made.remote)], cwd=made.office.root, check=True
    )
    return made


@pytest.fixture
def host(fleet: Fleet) -> Iterator[Callable[..., Host]]:
    """Clones that are hosts; what they run is ended."""
    made: list[Host] = []

    def host(name: str = "north", clone: str | None = None) -> Host:
        made.append(fleet.host(name, clone))
        return made[-1]

    yield host
    for each in made:
        each.stop()


Make = Callable[..., Host]


def ended(process: psutil.Process) -> bool:
    """Whether it ends soon: its remains may wait for their parent a little."""
    return not psutil.wait_procs([process], timeout=PATIENCE_SECONDS)[1]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Callable[[Host], subprocess.Popen[bytes]]]:
    """`mlops host NAME` as a unit runs it; what it prints is in `loop-NAME.log`."""
    running: list[subprocess.Popen[bytes]] = []

    def loop(host: Host) -> subprocess.Popen[bytes]:
        with (tmp_path / f"loop-{host.name}.log").open("ab") as log:
            command: list[str | Path] = [MLOPS, "host", host.name, "--every", "1"]
            running.append(subprocess.Popen(command, cwd=host.root, stdout=log, stderr=log))
        return running[-1]

    yield loop
    for each in running:
        each.kill()
        each.wait()


def test_what_was_released_is_served_and_what_somebody_broke_is_put_right(
    fleet: Fleet, host: Make
) -> None:
    north = host()
    first = north.once()
    assert_documented("host", first.json)
    assert north.asked() == 1
    service = north.service()
    assert north.well()[NAME]["version"] == 1
    assert north.service() == service, "a second look changes nothing"

    os.killpg(service.pid, signal.SIGKILL)
    north.well()
    assert (north.asked(), north.service() != service) == (1, True)

    doorman = front.recorded(north.repository)
    assert doorman
    os.killpg(doorman.pid, signal.SIGKILL)
    (front.folder_of(north.repository) / "process.json").unlink()
    north.well()
    assert north.asked() == 1

    service = north.service()
    (north.repository.state_dir / "live" / f"{NAME}.json").unlink()
    north.well()
    assert (north.asked(), ended(service)) == (1, True)

    service = north.service()
    live = released(north.repository.state_dir / "state", NAME)
    assert live
    predict = bento_folder(north.repository, live.bento) / "src" / "model" / "predict.py"
    assert predict.is_file()
    predict.write_text("def predict(model, rows):\n    return 0\n")
    north.well()
    assert (north.asked(), ended(service)) == (1, True)
    assert "return 0" not in predict.read_text()


def test_a_release_is_switched_to_and_reported(fleet: Fleet, host: Make) -> None:
    north = host()
    north.well()
    made = fleet.release(2)
    rows = result(fleet.office.root, "status", "--fetch")
    assert [(r["version"], r["should"], r["host"]) for r in rows] == [
        (1, 2, "north"),
        (2, None, None),
    ]
    north.well()
    assert north.asked() == 2
    kept = read_record(north.repository, NAME).of(WARM)
    assert kept
    assert kept.version == 1
    served = fleet.record("north").models[NAME]
    assert (served.should, served.version, served.digest) == (2, 2, made.digest)
    [row] = result(fleet.office.root, "status", "--fetch")
    assert (row["version"], row["host"], row["state"], row["url"]) == (2, "north", "running", None)
    assert row["heard"]
    events = [json.loads(line) for line in (fleet.state() / "events.jsonl").open()]
    assert [(e["version"], e["host"]) for e in events if e["kind"] == "served"] == [
        (1, "north"),
        (2, "north"),
    ]

    write_record(north.repository, fleet_record(north, version=1))
    north.well()
    assert north.asked() == 2

    fleet.declare(hosts={"north": {"models": [], "local": fleet_ports("north")}})
    assert north.well() == {}
    assert local.known_models(north.repository) == []


def fleet_record(host: Host, version: int) -> Record:
    """The record as a hand might have edited it: another version is live."""
    record = read_record(host.repository, NAME)
    changed = [replace(s, version=version) if s.role == LIVE else s for s in record.services]
    return replace(record, services=tuple(changed))


def fleet_ports(host: str) -> dict[str, int]:
    port = port_of(host)
    return {"port": port, "first_port": port + 1, "last_port": port + 49}


def test_a_rollback_without_the_remote_is_declared_when_it_is_back(
    fleet: Fleet, host: Make
) -> None:
    north = host()
    north.well()
    fleet.release(2)
    north.well()
    away = fleet.unplug()
    back = result(north.root, "rollback", NAME, "--reason", "it forgets the north")
    assert (back, north.asked()) == ({"model": NAME, "from": 2, "to": 1}, 1)
    os.killpg(north.service().pid, signal.SIGKILL)
    assert "could not be read" in north.refused("state_unreachable")
    assert north.asked() == 1, "put right without the remote, and the pin holds"
    assert away.is_dir()
    fleet.plug()
    fleet.release(3)  # nobody here has heard of the rollback yet
    assert north.well()[NAME]["should"] == 1
    state = fleet.state()
    held, live = pin(state, NAME), released(state, NAME)
    assert held
    assert live
    assert (held.version, held.left, held.reason) == (1, 3, "it forgets the north")
    assert live.version == 1
    told = [json.loads(line) for line in (state / "events.jsonl").open()]
    [moved] = [each for each in told if each["kind"] == "rolled_back"]
    assert (moved["version"], moved["before"], moved["host"]) == (1, 3, "north")
    assert north.well()[NAME]["version"] == 1
    assert north.asked() == 1
    again = [json.loads(line)["kind"] for line in (fleet.state() / "events.jsonl").open()]
    assert again.count("rolled_back") == 1
    result(fleet.office.root, "status", "--fetch")
    for root in (fleet.office.root, north.root):
        told = result(root, "history", NAME)["periods"]
        assert [each["version"] for each in told if each["host"] == "north"] == [1, 2, 1]
        assert [each["version"] for each in told if each["place"] == "released"] == [1, 2, 3, 1]
    assert mlops(north.root, "rollback", NAME, "--json").error == "no_previous"

    fleet.release(4)
    north.well()
    fleet.release(5, BROKEN)
    assert "version 5" in north.once().message.lower()
    north.well()
    back = result(north.root, "rollback", NAME)
    assert (back["from"], back["to"]) == (4, 1), "2 and 3 are what it was rolled back from"


def test_a_version_that_can_not_serve_is_pinned_out_everywhere(fleet: Fleet, host: Make) -> None:
    north, south = host("north"), host("south")
    north.well()
    south.well()
    fleet.release(2, BROKEN)
    assert "version 2" in north.once().message.lower()
    assert (north.asked(), south.asked()) == (1, 1)
    state = fleet.state()
    held = pin(state, NAME)
    assert held
    assert (held.version, held.left, held.by) == (1, 2, "host north")
    assert read_lease(state, NAME) is None
    assert south.well()[NAME]["should"] == 1
    assert not bento_folder(south.repository, f"{NAME}:{2:040d}").exists(), "it never tried"
    north.well()


def test_hosts_switch_one_after_the_other(fleet: Fleet, host: Make) -> None:
    north, south = host("north"), host("south")
    north.well()
    south.well()
    fleet.release(2)
    dead = Lease(
        model=NAME, host="south", instance="x", version=2, mark="t", seconds=3, at="2026-01-01"
    )
    fleet.edit_state(lambda state: write_lease(state, dead))
    assert "waits for south" in north.once().message
    assert north.asked() == 1
    time.sleep(dead.seconds + 0.5)
    north.well()
    assert north.asked() == 2, "who died had its turn"
    fleet.edit_state(
        lambda state: write_lease(state, dead.model_copy(update={"mark": "u", "seconds": 900}))
    )
    south.once()
    assert south.asked() == 1
    fleet.edit_state(lambda state: (state / "leases" / f"{NAME}.json").unlink())
    south.well()
    assert (south.asked(), read_lease(fleet.state(), NAME)) == (2, None)


def test_nothing_is_served_that_was_not_released(fleet: Fleet, host: Make) -> None:
    north = host()
    north.well()
    made = fleet.release(2)
    folder = releases_folder(fleet.office)
    assert folder
    asset = folder / made.tag / made.asset
    whole = asset.read_bytes()
    asset.write_bytes(whole.replace(b"model", b"modem", 1))
    north.once()
    assert north.asked() == 1
    asset.write_bytes(whole.replace(b"2 * rows", b"7 * rows"))
    assert "digest" in north.refused("unwell")
    assert north.asked() == 1

    good = released(fleet.state(), NAME)
    first = json.loads((fleet.state() / "versions" / NAME / "1.json").read_text())
    assert good
    forged = good.model_copy(update={"digest": first["digest"], "bento": first["bento"]})
    fleet.edit_state(lambda state: put_in_production(state, forged))
    assert "another Bento" in north.refused("unwell")
    fleet.edit_state(lambda state: put_in_production(state, good))
    asset.unlink()
    assert "is not there" in north.refused("unwell")
    assert north.asked() == 1
    asset.write_bytes(whole)
    north.well()
    assert north.asked() == 2

    events = (fleet.state() / "events.jsonl").read_text()
    cut = "".join(events.splitlines(keepends=True)[:-2])
    fleet.edit_state(lambda state: (state / "events.jsonl").write_text(cut))
    assert "can't be believed" in north.once().stdout + north.once().stderr
    assert north.asked() == 2


def test_what_somebody_edits_in_the_copy_of_the_state_is_never_followed(
    fleet: Fleet, host: Make
) -> None:
    fleet.declare(hosts={"north": {"models": "all", "local": fleet_ports("north")}})
    north = host()
    north.well()
    fleet.release(2)
    north.well()
    state = north.repository.state_dir / "state"

    def back_to_1() -> None:
        """As somebody writes it who knows how: event, record and all."""
        log = released_log(state)
        log.append(Draft(kind="rolled_back", model=NAME, actor="x", reason="y", version=1))
        first = next(each for each in versions(state, NAME) if each.version == 1)
        put_in_production(state, first.model_copy(update={"events_head": log.head()}))

    back_to_1()
    assert north.well()[NAME]["should"] == 2
    back_to_1()
    fleet.unplug()
    assert ".mlops/state were changed by hand" in str(mlops(north.root, "start", "--json").message)
    north.refused("state_unreachable")
    assert north.asked() == 2
    fleet.plug()
    for text in ("{", "{}", ""):
        (state / "released" / f"{NAME}.json").write_text(text)
        assert north.well()[NAME]["version"] == 2
    told = [json.loads(line) for line in (fleet.state() / "events.jsonl").open()]
    assert [e["version"] for e in told if e["kind"] == "served"] == [1, 2]


def test_bad_input_is_one_sentence_and_what_runs_goes_on(fleet: Fleet, host: Make) -> None:
    north = host()
    away = fleet.unplug()
    assert north.once().error in ("state_unreachable", "nothing_pulled")
    assert away.is_dir()
    fleet.plug()
    north.well()
    other = mlops(north.root, "host", "south", "--once", "--json")
    assert other.error == "another_host"
    assert mlops(north.root, "host", "north", "--every", "0", "--json").error == "bad_every"
    assert mlops(north.root, "host", "North!", "--once", "--json").error == "bad_name"
    assert mlops(north.root, "rollback", NAME, "--json").error == "no_previous"
    assert mlops(north.root, "rollback", "nobody", "--json").error == "not_deployed"
    assert mlops(north.root, "start", "nobody", "--json").error == "not_given"
    assert mlops(north.root, "deploy", NAME, "--json").error == "is_a_host"

    nobody = host("nobody")
    assert "north, south" in nobody.refused("unknown_host")
    twin = host("north", "twin")
    assert "--replace" in twin.refused("name_taken")
    assert north.well()
    north_stays = north.service()
    policy = fleet.office.policies_dir / "deployment.yaml"
    policy.write_text("hosts: {north: {modles: all}}\n")
    fleet.push_main()
    assert "hosts.north" in north.refused("bad_policy")
    assert (north.asked(), north.service()) == (1, north_stays)

    assert result(north.root, "stop", NAME) == {"stopped": [NAME]}
    assert result(north.root, "history", NAME)["periods"][-1]["ended_because"].startswith("taken")
    assert north.once().code == 1  # main's policy is still broken
    assert local.recorded(north.repository, NAME)
    assert ended(north_stays)
    assert read_record(north.repository, NAME).of(LIVE) is None, "what a person stopped stays so"
    [started] = result(north.root, "start", NAME)["started"]
    assert (started["version"], north.asked()) == (1, 1)


def test_a_rollback_ends_a_switch_and_a_killed_host_leaves_its_services(
    fleet: Fleet, host: Make, loop: Callable[[Host], subprocess.Popen[bytes]]
) -> None:
    north = host()
    fleet.declare(hosts={"north": {"models": "all", "local": fleet_ports("north")}})
    fleet.release(2)
    running = loop(north)
    wait_for(lambda: _serves(north, 2), "version 2 is live")
    assert mlops(north.root, "host", "north", "--json").error == "busy"
    assert north.well()[NAME]["version"] == 2  # the running one looked
    assert running.poll() is None
    slow = {"canary": {"share": 50, "seconds": 600}}
    fleet.declare(hosts={"north": {"models": "all", "local": fleet_ports("north")}}, **slow)
    fleet.release(3)
    wait_for(lambda: read_record(north.repository, NAME).of(CANARY), "version 3 is tried out")
    assert result(north.root, "rollback", NAME) == {"model": NAME, "from": 2, "to": 1}
    assert north.asked() == 1
    wait_for(lambda: pin(fleet.state(), NAME), "the rollback is declared")
    running.kill()
    running.wait()
    assert (north.asked(), north.well()[NAME]["version"]) == (1, 1)


def _serves(host: Host, version: int) -> bool:
    service = local.recorded(host.repository, NAME)
    return bool(service and service.version == version and service.role == LIVE)


def test_a_person_releases_where_there_is_no_github(
    make: Callable[..., Repository], tmp_path: Path
) -> None:
    repository, name = make("python"), "sales-python"
    root = repository.root
    assert mlops(root, "release", name, "--json").error == "on_github"
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    git(root, "remote", "add", "origin", str(remote))
    fleet = Fleet(tmp_path, repository)
    fleet.declare()
    result(root, "train", name)
    assert mlops(root, "release", name, "--json").error == "not_on_main"
    fleet.push_main()
    done = mlops(root, "release", name, "--json")
    assert done.code == 0, (done.stdout, done.stderr)
    assert_documented("release", done.json)
    assert result(root, "release", name) == done.json, "a second time changes nothing"
    north = fleet.host("north")
    try:
        assert north.well()[name]["digest"] == done.json["digest"]
    finally:
        north.stop()
    assert mlops(root, "audit", "verify").code == 0


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.timeout(3600)
def test_a_host_that_is_killed_at_any_step_goes_on_at_its_next_start(
    fleet: Fleet, host: Make, stride: int
) -> None:
    north = host()
    north.well()
    step, number, code = 1 - stride, 1, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += stride
        number += 1
        fleet.release(number)
        command = [sys.executable, "-m", "tests.support.killed_host", str(north.root), "north"]
        code = subprocess.run([*command, str(step)], check=False, timeout=300).returncode
        assert north.asked() in (number - 1, number), f"killed at step {step}"
        assert north.well()[NAME]["version"] == number, f"killed at step {step}"
        assert north.asked() == number
        assert len(local.known_models(north.repository)) == 1
        told = [json.loads(line) for line in (fleet.state() / "events.jsonl").open()]
        served = [each["version"] for each in told if each["kind"] == "served"]
        assert served[-1] == number
        assert not any(each["kind"] in ("pinned", "failed") for each in told)
    assert code == 0
    assert step > 20
