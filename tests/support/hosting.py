"""A bare remote, an office that releases to it, and hosts in clones of it, on one machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from bentos.build import bento_digest
from ci.assets.bentos import asset_name, tag_name
from ci.assets.folder import lay, releases_folder
from ci.events.event import Lineage
from ci.host.records import HostRecord, read_host
from ci.package.archive import pack
from ci.registry.change import Why, declare, follow, moved, pointed, register
from ci.repository import Repository
from ci.state.branch import StateBranch
from ci.state.local import registry_of
from ci.state.records import Release, lift_pin, put_in_production
from ci.targets import local
from tests.support import repositories, services
from tests.support.command import Done, mlops
from tests.support.repositories import commit_all, git

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FIRST_PORT = 19000 + 100 * WORKER
NAME = "tiny-python"
EXAMPLE = {"x": 1.0, "n": 1, "mode": "ok"}
PREDICT = services.SOURCES["python"]
HOSTS = ("north", "south")


def port_of(host: str) -> int:
    """The port for callers of a host; those of its processes follow."""
    return FIRST_PORT + 50 * HOSTS.index(host)


@dataclass(frozen=True)
class Fleet:
    """``office`` is the clone from which main and releases are pushed."""

    folder: Path
    office: Repository

    @property
    def remote(self) -> Path:
        """The bare repository."""
        return self.folder / "remote.git"

    def push_main(self) -> None:
        """Have main be what the office's work tree is."""
        commit_all(self.office.root)
        git(self.office.root, "push", "-q", "origin", "HEAD:main")

    def declare(self, **more: Any) -> None:
        """Write policies/deployment.yaml: both hosts serve all, unless ``more`` says else."""
        hosts = {
            host: {
                "models": "all",
                "local": {
                    "port": port_of(host),
                    "first_port": port_of(host) + 1,
                    "last_port": port_of(host) + 49,
                    "start_timeout_seconds": 60,
                },
            }
            for host in HOSTS
        }
        policy = {"hosts": hosts, **more}
        path = self.office.policies_dir / "deployment.yaml"
        path.write_text(yaml.safe_dump(policy, sort_keys=False))
        self.push_main()

    def release(self, number: int, source: str = PREDICT, name: str = NAME) -> Release:
        """Release version ``number``, which multiplies with that and adds n."""
        text = source.replace("model * rows", f"{number} * rows")
        fingerprint = f"{number:040d}"
        with tempfile.TemporaryDirectory(dir=self.folder) as directory:
            rules = {**services.contract("python"), "name": name}
            built = services.build_tiny(Path(directory), "python", text, rules, fingerprint)
            made = _release(name, number, bento_digest(built))
            archive = Path(directory, "bento.tar")
            pack(built, archive)
            folder = releases_folder(self.office)
            assert folder
            lay(folder, made, archive)

        def change(state: Path) -> None:
            why = Why("a test", "alice")
            with registry_of(state) as registry:
                assert register(registry, name, _lineage(made), why).version == number
                declare(registry, moved("staged", name, number, why))
                declare(registry, moved("promoted", name, number, why))
                head = pointed(registry, name).head
                follow(registry, name)
            put_in_production(state, made.model_copy(update={"events_head": head}))
            lift_pin(state, name)

        self.edit_state(change)
        return made

    def edit_state(self, change: Callable[[Path], object]) -> None:
        """Push a change of the state branch."""
        StateBranch(self.office.root).update("a test", change)

    def state(self) -> Path:
        """A fresh copy of the state branch."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="state-"))
        StateBranch(self.office.root).checkout(folder)
        return folder

    def record(self, host: str) -> HostRecord:
        """What a host last reported."""
        found = read_host(self.state(), host)
        assert found
        return found

    def host(self, name: str, clone: str | None = None) -> Host:
        """A new clone, to be a host."""
        root = self.folder / (clone or name)
        git(self.folder, "clone", "-q", "-b", "main", str(self.remote), str(root))
        return Host(name, Repository(root))

    def unplug(self) -> Path:
        """Have the remote be gone; returns where it went."""
        away = self.folder / "away.git"
        self.remote.rename(away)
        return away

    def plug(self) -> None:
        """Have it back."""
        (self.folder / "away.git").rename(self.remote)


@dataclass(frozen=True)
class Host:
    """A host in a clone of its own."""

    name: str
    repository: Repository

    @property
    def root(self) -> Path:
        """Its clone."""
        return self.repository.root

    def once(self, *more: str) -> Done:
        """`mlops host NAME --once --json`."""
        return mlops(self.root, "host", self.name, "--once", "--json", *more)

    def refused(self, code: str) -> str:
        """One look, which must end with the error ``code``; its sentence."""
        done = self.once()
        assert done.error == code, (done.stdout, done.stderr)
        return done.message

    def well(self) -> dict[str, Any]:
        """The same, which must find all well; what it says of the models."""
        done = self.once()
        assert done.code == 0, (done.stdout, done.stderr)
        models: dict[str, Any] = done.json["models"]
        return models

    def asked(self, name: str = NAME) -> int:
        """The version that answers callers, rightly."""
        url = f"http://127.0.0.1:{port_of(self.name)}/{name}/predict"
        answer = httpx.post(url, json={"rows": [EXAMPLE]}, timeout=30)
        assert answer.status_code == 200, answer.text
        version = int(answer.json()["version"])
        assert answer.json()["predictions"] == [version + 1]
        return version

    def service(self) -> psutil.Process:
        """The process of the version that callers reach."""
        found = local.recorded(self.repository, NAME)
        assert found
        return psutil.Process(found.pid)

    def processes(self) -> list[psutil.Process]:
        """All that run for this clone."""
        root, found = f"{self.root}/", []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(word.startswith(root) or f"{word}/" == root for word in words):
                found.append(process)
        return found

    def stop(self) -> None:
        """End everything."""
        for name in local.known_models(self.repository):
            local.stop(self.repository, name)
        left = self.processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=30)


def new_fleet(folder: Path) -> Fleet:
    """A remote whose main has this project's policies and the tiny model's folder."""
    office = repositories.new_repository(folder / "office")
    git(folder, "init", "-q", "--bare", "-b", "main", str(folder / "remote.git"))
    git(office.root, "remote", "add", "origin", str(folder / "remote.git"))
    repositories.write_model(office, NAME)
    fleet = Fleet(folder, office)
    fleet.declare()
    return fleet


def _release(name: str, number: int, digest: str) -> Release:
    fingerprint = f"{number:040d}"
    return Release(
        model=name,
        version=number,
        fingerprint=fingerprint,
        source=fingerprint,
        bento=f"{name}:{fingerprint}",
        digest=digest,
        tag=tag_name(name, number),
        asset=asset_name(name, f"{number:012d}"),
        commit="0" * 40,
        pull=None,
        approvers=["alice"],
        candidate="reviewed",
        run_id="",
        source_run_id="",
        trained_at="2026-01-01T00:00:00+00:00",
        released_at=f"2026-01-01T00:{number % 60:02d}:00+00:00",
        workflow_run="",
        data={},
    )


def _lineage(made: Release) -> Lineage:
    return Lineage(
        version=0,
        run_id="",
        fingerprint=made.fingerprint,
        bento=made.bento,
        digest=made.digest,
        commit=made.commit,
    )
