"""A host's rules without a host: policy, turns, the unit, what is believed of a remote."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.assets.folder import releases_folder
from ci.check import check
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.host import lease
from ci.host.place import become, me
from ci.host.records import Lease
from ci.host.unit import unit
from ci.repository import Repository
from tests.support.command import mlops
from tests.support.repositories import git, new_repository, write_model


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "sales")
    access = made.policies_dir / "access.yaml"
    access.write_text("teams:\n  platform: {}\n  marketing: {}\n")
    return made


def policy(repository: Repository, text: str) -> DeploymentPolicy:
    (repository.policies_dir / "deployment.yaml").write_text(text)
    return load_policy(repository, DeploymentPolicy)


def test_a_host_is_given_models_and_its_own_ports(repository: Repository) -> None:
    text = "hosts: {a: {models: [sales]}, b: {models: all, local: {port: 8000}}}\n"
    found = policy(repository, text)
    assert (found.hosts["a"].has("sales"), found.hosts["a"].has("other")) == (True, False)
    assert found.hosts["b"].has("other")
    ports = [found.of_host(name).local.port for name in ("a", "b", None)]
    assert ports == [7100, 8000, 7100]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("hosts: {a: {models: [seals]}}", "hosts.a.models.0"),
        ("hosts: {a: {modles: all}}", "hosts.a.modles"),
        ("hosts: {A!: {models: all}}", "hosts.A!"),
        ("hosts: {a: {models: some}}", "hosts.a.models"),
        ("hosts: {a: {models: all, local: {port: 80}}}", "hosts.a.local.port"),
    ],
)
def test_check_names_the_key_of_a_bad_host(repository: Repository, text: str, key: str) -> None:
    (repository.policies_dir / "deployment.yaml").write_text(text)
    keys = [each.key for each in check(repository) if each.file == "policies/deployment.yaml"]
    assert any(each.startswith(key) for each in keys), keys


def test_a_host_is_given_what_main_declares(repository: Repository) -> None:
    policy(repository, "hosts: {a: {models: all}}\n")
    main = repository.state_dir / "host" / "main-1"
    shutil.copytree(repository.root, main, ignore=shutil.ignore_patterns(".mlops", ".git"))
    (main.parent / "main").symlink_to("main-1")
    (repository.policies_dir / "deployment.yaml").write_text("edited: by hand\n")
    assert set(load_policy(repository, DeploymentPolicy).hosts) == {"a"}


def test_a_clone_stays_the_host_that_it_is(repository: Repository) -> None:
    own = become(repository, "shop-1")
    assert (become(repository, "shop-1"), me(repository)) == (own, own)
    with pytest.raises(MlopsError) as refused:
        become(repository, "shop-2")
    assert refused.value.code == "another_host"


def test_a_name_that_nobody_declared_makes_no_host(repository: Repository, tmp_path: Path) -> None:
    git(repository.root, "clone", "-q", "--bare", ".", str(tmp_path / "origin.git"))
    git(tmp_path, "clone", "-q", "origin.git", "clone")
    clone = Repository(tmp_path / "clone")
    assert mlops(clone.root, "host", "shpo-1", "--once", "--json").error == "unknown_host"
    assert me(clone) is None
    own = become(clone, "shop-1")
    assert mlops(clone.root, "host", "shop-1", "--once", "--json").error == "unknown_host"
    assert me(clone) == own, "a host whose name main no longer has goes on with what it serves"


def test_a_turn_ends_by_the_clock_of_who_waits(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(lease, "_seconds", lambda: now)
    there = Lease(
        model="sales", host="b", instance="i", version=2, mark="m", seconds=60, at="2099-01-01"
    )
    assert not lease._is_over(repository, there)
    now += 59
    assert not lease._is_over(repository, there)
    now += 2
    assert not lease._is_over(repository, there.model_copy(update={"mark": "n"})), "a newer turn"
    now += 61
    assert lease._is_over(repository, there.model_copy(update={"mark": "n"}))
    now = 5.0  # the machine was started again
    assert not lease._is_over(repository, there.model_copy(update={"mark": "n"}))


def test_the_unit_is_one_that_systemd_reads(repository: Repository, tmp_path: Path) -> None:
    text = unit(repository, "shop-1")
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(text)
    service = read["Service"]
    assert service["ExecStart"].endswith("/mlops host shop-1")
    assert (service["Restart"], service["KillMode"]) == ("always", "process")
    assert service["ReadWritePaths"] == str(repository.state_dir)
    assert repository.state_dir.is_dir(), "systemd refuses a path that is not there"
    file = tmp_path / "mlops-shop-1.service"
    file.write_text(text)
    program = shutil.which("systemd-analyze")
    if program:
        done = subprocess.run(
            [program, "verify", file], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/srv/models.git", "/srv/models.releases"),
        ("file:///srv/models", "/srv/models.releases"),
        ("https://github.com/owner/name.git", None),
        ("git@example.org:owner/name.git", None),
    ],
)
def test_releases_lie_beside_a_plain_remote(
    repository: Repository, url: str, folder: str | None
) -> None:
    git(repository.root, "remote", "add", "origin", url)
    assert releases_folder(repository) == (Path(folder) if folder else None)
    git(repository.root, "config", "mlops.releases", "/mnt/shared")
    assert releases_folder(repository) == Path("/mnt/shared")
