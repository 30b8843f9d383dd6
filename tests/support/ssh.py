"""A machine that is reached by SSH: Debian's own sshd on 127.0.0.1, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.services import DIES_WITH_US, free_port

START_SECONDS = 30
PACKAGES = ["openssh-server", "libwrap0"]  # not installed: that would start one for everybody
# As root it would want a user and a folder of the system; so it is one who may log in as himself,
# which he may where nothing says that his account is locked.
AS_NOBODY = 'mount --bind "$0/shadow" /etc/shadow && exec setpriv {user} "$@"'
NOBODY = "--reuid=nobody --regid=nogroup --clear-groups"
SERVER = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/own.pub
PidFile none
StrictModes no
UsePAM no
"""
CLIENT = """\
Host *
  IdentityFile {folder}/own
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""
WRAPPER = '#!/bin/sh\nexec {ssh} -F {folder}/client "$@"\n'


@dataclass
class Far:
    """The server; ``programs`` is a folder whose `ssh` knows it, to be the first of PATH."""

    folder: Path
    port: int

    @property
    def login(self) -> str:
        """USER@MACHINE:PORT."""
        return f"{'nobody' if os.geteuid() == 0 else getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def programs(self) -> Path:
        """Where the `ssh` is that has the key."""
        return self.folder / "bin"

    def start(self) -> None:
        """Listen, also again."""
        usr = self.folder / "server" / "usr"
        libraries = ":".join(str(path) for path in (usr / "lib").glob("*-linux-*"))
        command = [*DIES_WITH_US, str(usr / "sbin/sshd"), "-D", "-e", "-f", f"{self.folder}/config"]
        if os.geteuid() == 0:
            script = AS_NOBODY.format(user=NOBODY)
            command = ["unshare", "--mount", "sh", "-c", script, str(self.folder), *command]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "LD_LIBRARY_PATH": libraries},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not psutil.Process(self.process.pid).net_connections():
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
            time.sleep(0.05)

    def cut(self) -> None:
        """Break all connections; it goes on listening."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            each.kill()

    def stop(self) -> None:
        """Neither connections nor a listener."""
        self.cut()
        self.process.kill()
        self.process.wait()


@contextmanager
def far_machine(folder: Path) -> Iterator[Far]:
    """A running server until the end of the context; ``folder`` must let anybody in."""
    subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "server")], check=True)
    far = Far(folder, free_port())
    for name in ("host", "own"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    host = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{far.port} {host}")
    (folder / "config").write_text(SERVER.format(port=far.port, folder=folder))
    (folder / "client").write_text(CLIENT.format(folder=folder))
    far.programs.mkdir()
    (far.programs / "ssh").write_text(WRAPPER.format(ssh=shutil.which("ssh"), folder=folder))
    (far.programs / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder / "host", "nobody")
        (folder / "shadow").write_text("nobody:x:::::::\n")
    far.start()
    try:
        yield far
    finally:
        far.stop()
