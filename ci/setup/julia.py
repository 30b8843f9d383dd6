"""Julia: the official build where it can be had, on Debian else the archived package."""

from __future__ import annotations

import hashlib
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from ci.console import say
from ci.errors import MlopsError
from ci.setup import apt
from ci.setup.version import version_of

LEAST = (1, 5)
VERSION = "1.10.10"
SITE = "https://julialang-s3.julialang.org/bin/linux"
# (folder of the site, SHA-256) of the official archive by machine type.
OFFICIAL = {
    "x86_64": ("x64", "6a78a03a71c7ab792e8673dc5cedb918e037f081ceb58b50971dfb7c64c5bf81"),
    "aarch64": ("aarch64", "a4b157ed68da10471ea86acc05a0ab61c1a6931ee592a9b236be227d72da50ff"),
}
TIMEOUT_SECONDS = 10
ADVICE = (
    "Julia 1.5 or newer is missing and could not be installed: install the official build "
    "(`curl -fsSL https://install.julialang.org | sh`), open a new shell, "
    "then type `make setup` again."
)
BROKEN = (
    "The installed Julia crashes when its code raises an error, so that nobody would see what is "
    "wrong: install the official build (`curl -fsSL https://install.julialang.org | sh`), open a "
    "new shell, then type `make setup` again."
)
# The last Debian release with a package `julia`; the pin keeps everything else out of it.
SUITE = "bullseye"
SOURCE = Path("/etc/apt/sources.list.d/julia-bullseye.sources")
PREFERENCES = Path("/etc/apt/preferences.d/julia-bullseye.pref")
PIN = f"Package: *\nPin: release n={SUITE}\nPin-Priority: 50\n"


# Debian's Julia of bullseye crashes while it prints an error where libunwind is newer.
THROW = "thrower() = error(1); thrower()"
WRAPPER = """#!/bin/sh
# {program} crashes while it prints an error unless it gets the libunwind that it was built with.
LD_LIBRARY_PATH={library}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}} exec {program} "$@"
"""


def find(root: Path) -> str | None:
    """The path of `julia`: where `install` puts it in `.venv`, or on PATH."""
    return shutil.which(str(_link(root))) or shutil.which("julia")


def install(root: Path) -> None:
    """Install Julia when it is missing or too old.

    Raises:
        MlopsError: Julia can't be installed here; the message has the official step.
    """
    if version_of(find(root)) < LEAST:
        installed = _official(root) or _debian()
        if not installed or version_of(find(root)) < LEAST:
            raise MlopsError("julia_missing", ADVICE)
    if _crashes(find(root)) and (not _wrap(root) or _crashes(find(root))):
        raise MlopsError("julia_broken", BROKEN)


def _link(root: Path) -> Path:
    return root / ".venv" / "bin" / "julia"


def _official(root: Path) -> bool:
    """Unpack the official build into `.venv`; false when it can't be had."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in OFFICIAL:
        return False
    folder, sha256 = OFFICIAL[machine]
    minor = VERSION.rpartition(".")[0]
    address = f"{SITE}/{folder}/{minor}/julia-{VERSION}-linux-{machine}.tar.gz"
    say(f"Julia {VERSION}: downloading the official build (170 MB) …")
    with tempfile.TemporaryDirectory(dir=root / ".venv", prefix="julia-") as name:
        archive = Path(name) / "julia.tar.gz"
        try:
            _download(address, archive)
        except OSError as error:
            say(f"  it can't be reached from here ({getattr(error, 'reason', error)}).")
            return False
        _verify(archive, sha256, address)
        return _unpack(archive, root)


def _download(address: str, archive: Path) -> None:
    with (
        urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as reply,  # noqa: S310
        archive.open("wb") as file,
    ):
        shutil.copyfileobj(reply, file)


def _verify(archive: Path, sha256: str, address: str) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MlopsError(
            "julia_digest",
            f"What came from {address} is not Julia {VERSION} (SHA-256 {found}, expected {sha256})"
            ": nothing was installed; see what stands between this machine and that address, "
            "then type `make setup` again.",
        )


def _unpack(archive: Path, root: Path) -> bool:
    target = root / ".venv" / f"julia-{VERSION}"
    result = subprocess.run(["tar", "-xzf", str(archive), "-C", str(archive.parent)], check=False)
    if result.returncode:
        return False
    shutil.rmtree(target, ignore_errors=True)
    (archive.parent / target.name).rename(target)
    _link(root).unlink(missing_ok=True)
    _link(root).symlink_to(target / "bin" / "julia")
    return True


def _debian() -> bool:
    """Install Debian's package, from the suite that has it last when this release has none."""
    if not apt.usable():
        return False
    apt.fetch_lists()
    if not apt.installable("julia") and not _add_suite():
        return False
    apt.install(["julia"], otherwise=ADVICE)
    return True


def _crashes(program: str | None) -> bool:
    """Whether Julia dies of a signal where it should print an error and exit with 1."""
    command = [str(program), "--startup-file=no", "-e", THROW]
    return subprocess.run(command, capture_output=True, check=False).returncode < 0


def _wrap(root: Path) -> bool:
    """Put a `julia` into `.venv` that runs the system's with the libunwind of its own release.

    The library stays private: other programs of the machine keep theirs.
    """
    program = shutil.which("julia")
    library = root / ".venv" / "julia-libunwind"
    if program is None or shutil.which("apt-get") is None:
        return False
    say("Julia crashes with this machine's libunwind; giving it the one that it was built with …")
    with tempfile.TemporaryDirectory(dir=root / ".venv", prefix="libunwind-") as name:
        if not _unpack_package(f"libunwind8/{SUITE}", Path(name)):
            return False
        files = sorted(Path(name).glob("usr/lib/*/libunwind.so.8*"))
        shutil.rmtree(library, ignore_errors=True)
        library.mkdir()
        for file in files:
            shutil.copy2(file, library / file.name)
    text = WRAPPER.format(program=shlex.quote(program), library=shlex.quote(str(library)))
    _link(root).write_text(text, encoding="utf-8")
    _link(root).chmod(0o755)
    return True


def _unpack_package(package: str, folder: Path) -> bool:
    folder.chmod(0o755)  # apt downloads as a user of its own
    command = ["apt-get", "download", "-qq", package]
    fetched = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    files = [str(path) for path in folder.glob("*.deb")]
    if fetched.returncode or len(files) != 1:
        return False
    return subprocess.run(["dpkg-deb", "-x", *files, str(folder)], check=False).returncode == 0


def _add_suite() -> bool:
    entry = archive()
    if entry is None:
        return False
    say(f"Adding Debian's {SUITE} suite at low priority for the package julia …")
    done = apt.write(PREFERENCES, PIN) and apt.write(SOURCE, _source(*entry)) and apt.update()
    if not done or not apt.installable("julia"):
        apt.remove(SOURCE, PREFERENCES)
        apt.update()
        return False
    return True


def archive() -> tuple[str, str | None] | None:
    """Address and keyring of the Debian archive that this machine uses, as apt itself reads it."""
    only = ["Created-By: Packages", "Origin: Debian", "Label: Debian", "Component: main"]
    shape = "$(REPO_URI) $(SOURCESENTRY)"
    command = ["apt-get", "indextargets", "--format", shape, *only]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode or not result.stdout.strip():
        return None
    address, entry = result.stdout.splitlines()[0].split(" ", 1)
    file = Path(entry.rpartition(":")[0])
    return address, keyring(file.read_text(encoding="utf-8")) if file.is_file() else None


def keyring(sources: str) -> str | None:
    """The keyring file that the text of an apt source names, in either of apt's two formats."""
    found = re.search(r"^Signed-By:\s*(/\S+)|\[[^]#]*signed-by=(/[^]\s]+)", sources, re.M | re.I)
    return (found[1] or found[2]) if found else None


def _source(address: str, signed_by: str | None) -> str:
    text = f"Types: deb\nURIs: {address}\nSuites: {SUITE}\nComponents: main\n"
    return text + (f"Signed-By: {signed_by}\n" if signed_by else "")
