"""A real container engine for tests: podman's service, with a storage that ends with it.

No image can be pulled where the tests run, so that the bases are made with debootstrap from the
machine's own apt sources.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import docker

from ci.setup import julia
from tests.support import borrowed
from tests.support.programs import bring, bring_programs
from tests.support.services import DIES_WITH_US

PROGRAMS = {
    "podman": "podman",
    "runc": "runc",  # crun does not start a container on every kernel
    "debootstrap": "debootstrap",
}
# Without systemd: no cgroup manager of its own, no journal. Containers share our network unless a
# test says otherwise, which needs no network plugin.
CONTAINERS_CONF = """
[containers]
default_ulimits = []
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "{runtime}"
"""
REGISTRIES_CONF = """
[[registry]]
location = "127.0.0.1:{port}"
insecure = true
"""
BRIDGE = Path("/usr/lib/cni/bridge")  # a network of their own, with published ports
CERTIFICATES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
START_SECONDS = 30
# The Julia of an older Debian on this one, as `make setup` installs it.
JULIA_BASE = """\
FROM {base}
COPY julia /usr/local/bin/julia
COPY pin {preferences}
RUN sed 's/bookworm/{suite}/' /etc/apt/sources.list > /etc/apt/sources.list.d/julia.list \\
 && apt-get update -qq \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends julia \\
 && mkdir /opt/unwind && cd /opt/unwind && apt-get download -qq libunwind8/{suite} \\
 && dpkg-deb -x *.deb . && mv usr/lib/*/libunwind.so.8* . && rm -rf usr *.deb \\
 && chmod 755 /usr/local/bin/julia && julia --version && rm -rf /var/lib/apt/lists/*
"""


@dataclass
class Podman:
    """A running service and a client of it."""

    folder: Path
    registry_port: int

    def start(self) -> None:
        """Start the service, also again where it has ended."""
        (self.folder / "engine.sock").unlink(missing_ok=True)
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [*DIES_WITH_US, *_podman(self.folder), "system", "service", "--time=0", self.host],
                env=_environment(self.folder),
                stdout=log,
                stderr=log,
            )
        self.client = _client(self.folder)

    @property
    def host(self) -> str:
        """What DOCKER_HOST must say."""
        return f"unix://{self.folder}/engine.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that uses this engine."""
        return {"DOCKER_HOST": self.host}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run podman itself on the same storage."""
        return subprocess.run(
            [*_podman(self.folder), *arguments],
            env=_environment(self.folder),
            capture_output=True,
            text=True,
            check=True,
        )

    def import_tar(self, path: Path, tag: str) -> None:
        """Make the image ``tag`` of the files in ``path``."""
        self.command("import", "--quiet", str(path), tag)

    def build(self, text: str, **files: str) -> str:
        """The id of the image of a small Containerfile and the files beside it."""
        context = BytesIO()
        with tarfile.open(fileobj=context, mode="w") as archive:
            for name, content in {"Containerfile": text, **files}.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content.encode())
                archive.addfile(entry, BytesIO(content.encode()))
        context.seek(0)
        image, _ = self.client.images.build(
            fileobj=context, custom_context=True, dockerfile="Containerfile", rm=True, forcerm=True
        )
        return str(image.id)


@contextmanager
def podman(registry_port: int = 0, *, borrowing: bool = False) -> Iterator[Podman]:
    """The service, until the end of the context; its storage is deleted then.

    With ``borrowing`` its containers see this machine's Python (`tests.support.borrowed`).
    """
    bring_programs(PROGRAMS)
    bring(lambda: [] if BRIDGE.exists() else ["containernetworking-plugins", "iptables"])
    # In a folder with a short name: the path of a socket may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="mlops-podman-"))
    runtime = borrowed.RUNTIME if borrowing else "runc"
    more = borrowed.configuration(folder) if borrowing else ""
    (folder / "containers.conf").write_text(CONTAINERS_CONF.format(runtime=runtime) + more)
    (folder / "registries.conf").write_text(REGISTRIES_CONF.format(port=registry_port))
    engine = Podman(folder, registry_port)
    try:
        engine.start()
        yield engine
    finally:
        _end(folder, engine.service)


def make_base(folder: Path) -> Path:
    """A tar of a small Debian of the machine's release, made once in ``folder``."""
    bring_programs(PROGRAMS)
    target = folder / "base.tar"
    if not target.exists():
        root = folder / "debootstrap"
        address, keyring = _sources()
        options = ["--variant=minbase", "--include=ca-certificates,python3", f"--keyring={keyring}"]
        release = platform.freedesktop_os_release()["VERSION_CODENAME"]
        _run("debootstrap", *options, release, str(root), address)
        _trust_what_we_trust(root)
        shutil.rmtree(root / "var/lib/apt/lists")
        shutil.rmtree(root / "var/cache/apt")
        _run("tar", "-C", str(root), "-cf", str(target), ".")
        shutil.rmtree(root)
    return target


def import_base(engine: Podman, archive: Path) -> str:
    """The id of the image of a tar that `make_base` made."""
    name = engine.command("import", "--quiet", str(archive)).stdout.strip()
    return str(engine.client.images.get(name.removeprefix("sha256:")).id)


def julia_base(engine: Podman, base: str) -> str:
    """The id of ``base`` with Julia in it."""
    text = JULIA_BASE.format(
        base=base.removeprefix("sha256:"), preferences=julia.PREFERENCES, suite=julia.SUITE
    )
    wrapper = julia.WRAPPER.format(program="/usr/bin/julia", library="/opt/unwind")
    return engine.build(text, julia=wrapper, pin=julia.PIN)


def _podman(folder: Path) -> list[str]:
    places = {"root": "storage", "runroot": "run", "tmpdir": "tmp"}
    return ["podman", *(f"--{option}={folder / name}" for option, name in places.items())]


def _environment(folder: Path) -> dict[str, str]:
    files = {
        "CONTAINERS_CONF": "containers.conf",
        "CONTAINERS_REGISTRIES_CONF": "registries.conf",
    }
    return {**os.environ, **{name: str(folder / file) for name, file in files.items()}}


def _client(folder: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (folder / "engine.sock").exists():
            return docker.DockerClient(base_url=f"unix://{folder}/engine.sock", timeout=900)
        time.sleep(0.05)
    raise AssertionError((folder / "service.log").read_text())


def _end(folder: Path, service: subprocess.Popen[bytes]) -> None:
    environment = _environment(folder)
    for arguments in (["rm", "--all", "--force", "--time=0"], ["umount", "--all"]):
        subprocess.run(
            [*_podman(folder), *arguments], env=environment, capture_output=True, check=False
        )
    service.terminate()
    service.wait(START_SECONDS)
    _unmount(folder)
    deadline = time.monotonic() + START_SECONDS
    while folder.exists():  # what cleans up after a container may still write to it
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)


def _unmount(folder: Path) -> None:
    """Whatever the storage driver mounted below ``folder``, the innermost first."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for each in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", each], check=False)


def _sources() -> tuple[str, str]:
    """Address and keyring of the archive that this machine's apt uses."""
    found = julia.archive()
    assert found, "no Debian archive among the apt sources"
    address, keyring = found
    return address, keyring or "/usr/share/keyrings/debian-archive-keyring.gpg"


def _trust_what_we_trust(root: Path) -> None:
    """Certificates that this machine's administrator added, for pip in the image too."""
    added = list(CERTIFICATES.glob("*.crt"))
    for each in added:
        shutil.copy(each, root / str(CERTIFICATES).lstrip("/") / each.name)
    if added:
        _run("chroot", str(root), "update-ca-certificates")
        (root / "etc/pip.conf").write_text(f"[global]\ncert = {BUNDLE}\n")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
