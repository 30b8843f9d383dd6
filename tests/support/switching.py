"""A repository whose store has Bentos of the tiny model, to be switched between on this machine.

As a program it makes one switch, and kills itself at a step of it: the arguments are the
repository's root, the version, the number of the step and, for containers, their engine.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import docker
import psutil
from docker.models.containers import Container, ContainerCollection
from docker.models.volumes import Volume, VolumeCollection

from bentos.build import bento_digest
from ci.contract.deployment import (
    Canary,
    DeploymentPolicy,
    DockerTarget,
    LocalTarget,
    Objectives,
    Shadow,
    Tls,
)
from ci.registry.versions import Version
from ci.repository import Repository
from ci.targets import carried, containers, front, given, launch, local, maps, processes, trial
from ci.targets.given import PLACE_LABEL
from ci.targets.services import Service
from tests.support import services
from tests.support.borrowed import Images

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORT = 17900 + 40 * WORKER
# What each version multiplies with.
SLOPES: dict[int | None, float] = {number: number + 1.0 for number in range(1, 12)}
EXAMPLE = {"x": 1.0, "n": 1, "mode": "ok"}
SOURCE = services.SOURCES["python"]
# What a command does to the world outside of it: it may be killed before and after each.
STEPS: list[tuple[Any, str]] = [
    (local, "write_record"),
    (launch, "write_record"),
    (trial, "write_record"),
    (trial, "write_json"),
    (launch, "take_over_policy"),
    (processes, "start"),
    (launch, "wait_until_ready"),
    (front, "write_whole"),
    (front, "write_json"),
    (maps, "replace"),
    (processes, "stop"),
]
CONTAINER_STEPS: list[tuple[Any, str]] = [
    (given, "take_over_policy"),
    (containers, "wait_until_ready"),
    (containers, "note_started"),
    (VolumeCollection, "create"),
    (ContainerCollection, "create"),
    (Container, "put_archive"),
    (Container, "start"),
    (Container, "stop"),
    (carried, "write_json"),
    (Container, "remove"),
    (Volume, "remove"),
]


@dataclass(frozen=True)
class Place:
    """A repository, and what its policy says."""

    repository: Repository
    warm_seconds: float = 600.0
    canary: Canary | None = None
    shadow: Shadow = field(default_factory=Shadow)
    p99_seconds: float = 1.0
    tls: Tls | None = None
    target: Literal["local", "docker"] = "local"
    engine: str | None = None
    images: Images | None = None

    @property
    def policy(self) -> DeploymentPolicy:
        """The declared port, and processes on ports of this test worker."""
        target = {
            "port": PORT,
            "first_port": PORT + 1,
            "last_port": PORT + 39,
            "warm_seconds": self.warm_seconds,
            "tls": self.tls,
        }
        return DeploymentPolicy(
            target=self.target,
            docker=DockerTarget(engine=self.engine),
            local=LocalTarget.model_validate(target),
            canary=self.canary,
            shadow=self.shadow,
            objectives=Objectives(p99_seconds=self.p99_seconds),
        )

    def add(self, number: int, name: str = "tiny-python", source: str | None = None) -> Version:
        """A version in the store; without ``source`` its slope is the one of ``SLOPES``."""
        version = version_of(number, name)
        folder = launch.bento_folder(self.repository, version.bento)
        if folder.exists():
            return replace(version, digest=bento_digest(folder))
        text = source or SOURCE.replace("model * rows", f"{SLOPES[number]} * rows")
        rules = {**services.contract("python"), "name": name}
        made = self.repository.root / "made"
        built = services.build_tiny(made, "python", text, rules, version.fingerprint)
        shutil.copytree(built, folder)
        return replace(version, digest=bento_digest(folder))

    def switch(self, version: Version | int) -> Service:
        """Deploy it."""
        wanted = self.add(version) if isinstance(version, int) else version
        if self.images:
            self.images.add(self.repository, wanted)
        return local.switch(self.repository, wanted, EXAMPLE, self.policy)

    def go_back(self) -> Service:
        """Have callers reach the version before, which is kept warm."""
        before = local.warm(self.repository, "tiny-python")
        assert before is not None
        return local.take_over(self.repository, before, self.policy.local)

    def url(self, path: str = "") -> str:
        """An address of HAProxy's."""
        return f"http://127.0.0.1:{PORT}{path}"

    def processes(self) -> list[psutil.Process]:
        """All that run for this repository: models, HAProxy and who keeps it running."""
        root, found = str(self.repository.root), []
        for process in psutil.process_iter(["cmdline"]):
            if root in " ".join(process.info["cmdline"] or []) and process.pid != os.getpid():
                found.append(process)
        return found

    def containers(self) -> list[Any]:
        """All of this repository, whether they run or not."""
        label = f"{PLACE_LABEL}={self.repository.root}"
        with closing(docker.DockerClient(self.engine)) as client:
            return list(client.containers.list(all=True, filters={"label": label}))

    def stop(self) -> None:
        """End everything."""
        for name in local.known_models(self.repository):
            local.stop(self.repository, name)


def version_of(number: int, name: str = "tiny-python") -> Version:
    """A version as the registry has it."""
    fingerprint = f"{number:040d}"
    return Version(name, number, fingerprint, "", f"{name}:{fingerprint}", "", None)


def killed_at(step: int) -> Callable[[], None]:
    """What to call at each step: it kills this process at the given one, counting from 1."""
    passed = 0

    def pass_step() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return pass_step


def watched(function: Callable[..., Any], pass_step: Callable[[], None]) -> Callable[..., Any]:
    """``function``, with a step before and one after it."""

    def call(*given: Any, **named: Any) -> Any:
        pass_step()
        done = function(*given, **named)
        pass_step()
        return done

    return call


def main(root: str, number: str, step: str, engine: str | None = None) -> None:
    """Switch, and die on the way."""
    # The versions predict differently: callers enough, and any limit below 1 would be passed.
    pass_step, canary = killed_at(int(step)), Canary(share=50, seconds=0.2, shift=1.0)
    for module, name in [*STEPS, *(CONTAINER_STEPS if engine else [])]:
        setattr(module, name, watched(getattr(module, name), pass_step))
    place = Place(Repository(Path(root)), warm_seconds=0, canary=canary, shadow=Shadow(rows=5))
    if engine:
        place = replace(place, target="docker", engine=engine)
    place.switch(int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
