"""A Docker daemon for tests, out of Debian's packages, that nobody else of the machine uses.

Its packages are unpacked and not installed: an installed one would begin at every start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from tests.support import borrowed
from tests.support.programs import bring_programs
from tests.support.services import DIES_WITH_US

PACKAGES = ["docker.io", "containerd", "runc", "tini"]
START_SECONDS = 60
# Its proxy processes publish ports: the rules of the machine's firewall stay as they are.
OPTIONS = ["--iptables=false", "--storage-driver=vfs"]
BRIDGE, ADDRESS = "mlops-tests0", "172.29.0.1/24"  # docker0 may be the machine's own


@dataclass
class Docker:
    """A running daemon and a client of it."""

    folder: Path
    client: Any

    @property
    def host(self) -> str:
        """What DOCKER_HOST must say."""
        return f"unix://{self.folder}/engine.sock"

    def import_tar(self, path: Path, tag: str) -> None:
        """Make the image ``tag`` of the files in ``path``."""
        name, _, version = tag.partition(":")
        self.client.api.import_image(str(path), repository=name, tag=version)


@contextmanager
def dockerd() -> Iterator[Docker]:
    """The daemon, until the end of the context; its containers see this machine's Python."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-dockerd-"))
    socket = f"unix://{folder}/engine.sock"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    given = [f"--{option}={folder / name}" for option, name in places.items()]
    given += [f"--add-runtime={borrowed.RUNTIME}={borrowed.program(folder)}"]
    given += [f"--default-runtime={borrowed.RUNTIME}", f"--host={socket}", f"--bridge={BRIDGE}"]
    root = _programs(folder)
    path = f"{root / 'usr/sbin'}:{root / 'usr/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    bring_programs({"ip": "iproute2"})
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", ADDRESS, "dev", BRIDGE)
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [*DIES_WITH_US, "dockerd", *given, *OPTIONS], env=environment, stdout=log, stderr=log
        )
    try:
        yield Docker(folder, _client(folder, socket))
    finally:
        daemon.terminate()
        daemon.wait(START_SECONDS)
        _ip("link", "delete", BRIDGE)
        shutil.rmtree(folder)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _programs(folder: Path) -> Path:
    debs, root = folder / "debs", folder / "programs"
    debs.mkdir()
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=debs, check=True, capture_output=True)
    for each in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", each, root], check=True)
    return root


def _client(folder: Path, socket: str) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (folder / "engine.sock").exists():
            client = docker.DockerClient(base_url=socket, timeout=900)
            assert client.ping()
            return client
        time.sleep(0.05)
    raise AssertionError((folder / "daemon.log").read_text())
