"""A real PostgreSQL from Debian, and a real server of S3's protocol, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyarrow import fs

from tests.support.services import DIES_WITH_US, free_port

PATIENCE_SECONDS = 120
SECRET = "a-secret-of-nobody"  # noqa: S105 (the stand-in takes any)


class Postgres:
    """A cluster of Debian's postgresql in a folder of its own, without TCP.

    The folder has a short path, since it holds the socket.
    """

    def __init__(self, folder: Path, database: str) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        assert found, "this test needs PostgreSQL: apt-get install postgresql"
        self.folder, self.database, self._bin = folder, database, found[-1]
        # PostgreSQL refuses to run as root, and root's folders are closed to its user.
        self._user = ["su", "postgres", "-s", "/bin/sh", "-c"] if os.getuid() == 0 else ["sh", "-c"]
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")

    def __enter__(self) -> Postgres:
        self._run(f"initdb -D {self.folder}/data -A trust -U {self.database} --no-sync")
        settings = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        log = f"-l {self.folder}/log"
        self._run(f"pg_ctl -D {self.folder}/data -o '{settings}' {log} -w start")
        self._run(f"createdb -h {self.folder} -U {self.database} {self.database}")
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(f"pg_ctl -D {self.folder}/data -m immediate stop")

    def address(self, scheme: str = "postgresql") -> str:
        return f"{scheme}://{self.database}@/{self.database}?host={self.folder}"

    def ask(self, query: str) -> list[str]:
        """The lines that psql prints."""
        command = f'psql -h {self.folder} -U {self.database} -At -c "{query}"'
        return self._run(command).splitlines()

    def _run(self, command: str) -> str:
        done = subprocess.run(
            [*self._user, f"{self._bin}/{command}"],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if command.startswith("psql") else None,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def postgres(database: str) -> Iterator[Postgres]:
    """A running server with one database, whose owner has its name."""
    folder = Path(f"/tmp/mlops-postgres-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        with Postgres(folder, database) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@contextmanager
def object_storage(folder: Path) -> Iterator[dict[str, str]]:
    """moto's server; yields the environment that leads a client to it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("w") as log:
        process = subprocess.Popen([*DIES_WITH_US, *command], stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(f"{address}/moto-api/"):
            assert process.poll() is None, (folder / "moto.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield {
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
        }
    finally:
        process.kill()
        process.wait()


@contextmanager
def bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.S3FileSystem]:
    """moto's server with the empty bucket ``shop``, to which the environment leads."""
    with object_storage(folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        storage = fs.S3FileSystem(
            endpoint_override=environment["AWS_ENDPOINT_URL"], allow_bucket_creation=True
        )
        storage.create_dir("shop")
        yield storage


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310
    except OSError:
        return False
    return True
