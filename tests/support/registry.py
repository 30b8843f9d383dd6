"""A real registry on this machine: Debian's docker-registry, with no TLS, on 127.0.0.1."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

LOGIN = ("robot", "right")
# What htpasswd makes of LOGIN.
ACCOUNTS = "robot:$2y$05$mjBk9EPoOEFUreOCAIX1gevxpsKE9J4fWAyACWzbjoijVXL.orUIa\n"


@contextmanager
def serving(port: int, folder: Path, *, accounts: bool = False) -> Iterator[str]:
    """Its address until the end of the context; with ``accounts`` it knows LOGIN only."""
    subprocess.run(["apt-get", "download", "-qq", "docker-registry"], cwd=folder, check=True)
    [package] = folder.glob("docker-registry*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "registry")], check=True)
    address = f"127.0.0.1:{port}"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": address},
    }
    if accounts:
        (folder / "accounts").write_text(ACCOUNTS)
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "accounts")}}
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    program = folder / "registry" / "usr" / "bin" / "docker-registry"
    with subprocess.Popen([program, "serve", folder / "config.yml"]) as process:
        try:
            while not _answers(address):
                assert process.poll() is None
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/").status_code in (200, 401)
    except httpx.TransportError:
        return False
