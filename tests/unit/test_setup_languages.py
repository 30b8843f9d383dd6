"""R, Julia and HAProxy in `make setup`: each way to get them, and the sentence otherwise."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci.errors import MlopsError
from ci.setup import apt, haproxy, julia, r
from ci.setup.version import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = "http://127.0.0.1:9"
# A stand-in for apt-get: it logs its arguments, knows a package once its suite is there, and
# installs programs that print their version.
APT_GET = """#!/bin/sh
echo "$*" >> "{log}"
case "$1" in
update) [ ! -e "{state}/no-suite" ] || [ ! -e "{source}" ] || exit 100 ;;
indextargets) echo "http://mirror.example/debian/ {entry}:1" ;;
install)
    case "$*" in
    *--simulate*julia*) [ -e "{source}" ] || exit 100 ;;
    *julia*) printf '#!/bin/sh\\necho julia version 1.5.3\\n' > "{bin}/julia" ;;
    *r-base-core*) printf '{rscript}' > "{bin}/Rscript" ;;
    *haproxy*) printf '#!/bin/sh\\necho HAProxy version 2.6.12-1 2026/10/17\\n' > "{bin}/haproxy" ;;
    *r-cran-data.table*) [ -e "{state}/no-cran" ] || echo > "{state}/data.table" ;;
    esac
    /bin/chmod -f 755 "{bin}/julia" "{bin}/Rscript" "{bin}/haproxy" || true ;;
esac
"""

# A stand-in for R 4.2 that lacks each package it is asked for and finds no file of its name.
RSCRIPT = """#!/bin/sh
[ "$1" != --version ] || echo "Rscript (R) version 4.2.2"
[ "$1" != --vanilla ] || [ -e "{state}/$4" ] || echo "$4"
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a folder of programs on its PATH and nothing of its own in it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "gzip", "rm", "sh", "tar", "tee", "true"):
        (programs / name).symlink_to(f"/bin/{name}")
    program(programs / "sudo", '#!/bin/sh\n[ "$1" != -n ] || shift\nexec "$@"\n')
    (tmp_path / "repository/.venv/bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(haproxy, "FOLDERS", str(programs))
    monkeypatch.setattr(julia, "SITE", NOWHERE)
    monkeypatch.setattr(julia, "SOURCE", tmp_path / "julia.sources")
    monkeypatch.setattr(julia, "PREFERENCES", tmp_path / "julia.pref")
    apt.fetch_lists.cache_clear()
    apt._prefix.cache_clear()
    return tmp_path


@pytest.fixture
def debian(machine: Path) -> Path:
    """The same with apt-get, whose archive has no julia but in its archived suite."""
    entry = machine / "debian.sources"
    entry.write_text("Types: deb\nURIs: http://mirror.example/debian\nSigned-By: /keys/a.gpg\n")
    text = APT_GET.format(
        log=machine / "log",
        state=machine,
        source=julia.SOURCE,
        entry=entry,
        bin=machine / "bin",
        rscript=RSCRIPT.format(state=machine).replace("\n", "\\n"),
    )
    program(machine / "bin/apt-get", text)
    return machine


@pytest.fixture
def official(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on this machine with an archive in the official build's place."""
    archive = machine / f"site/x64/1.10/julia-{julia.VERSION}-linux-x86_64.tar.gz"
    archive.parent.mkdir(parents=True)
    script = f"#!/bin/sh\necho julia version {julia.VERSION}\n".encode()
    with tarfile.open(archive, "w:gz") as file:
        member = tarfile.TarInfo(f"julia-{julia.VERSION}/bin/julia")
        member.size, member.mode = len(script), 0o755
        file.addfile(member, io.BytesIO(script))
    handler = partial(SimpleHTTPRequestHandler, directory=str(machine / "site"))
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(julia, "SITE", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("ci.setup.julia.platform.machine", lambda: "x86_64")
    monkeypatch.setattr(julia, "OFFICIAL", {"x86_64": ("x64", digest)})
    yield machine
    server.shutdown()
    server.server_close()


def test_the_version_a_program_prints(machine: Path) -> None:
    program(machine / "bin/tool", "#!/bin/sh\necho tool version 10.4.1\n")
    assert version_of(str(machine / "bin/tool")) == (10, 4)
    assert version_of(str(machine / "bin/none")) == (0, 0)
    assert version_of(None) == (0, 0)


def test_languages_that_are_there_are_left_alone(debian: Path) -> None:
    program(debian / "bin/julia", "#!/bin/sh\necho julia version 1.5.3\n")
    program(debian / "bin/Rscript", "#!/bin/sh\necho 'Rscript (R) version 4.0.0' >&2\n")
    r.install(debian / "repository")
    julia.install(debian / "repository")
    assert not (debian / "log").exists()


def test_r_comes_from_the_packages_of_the_system(debian: Path) -> None:
    program(debian / "bin/Rscript", "#!/bin/sh\necho 'Rscript (R) version 3.6.3'\n")
    r.install(debian / "repository")
    assert version_of(r.find()) == (4, 2)


def test_haproxy_comes_from_the_packages_of_the_system_where_it_is_too_old(debian: Path) -> None:
    program(debian / "bin/haproxy", "#!/bin/sh\necho HAProxy version 2.0.3 2019/07/23\n")
    haproxy.install()
    haproxy.install()
    assert version_of(haproxy.find(), "-v") == (2, 6)
    log = (debian / "log").read_text().splitlines()
    assert ["update" in log[0], log[1].split()[-1], len(log)] == [True, "haproxy", 2]


def test_haproxy_that_cannot_be_installed_is_one_sentence_with_what_to_type(machine: Path) -> None:
    with pytest.raises(MlopsError) as caught:
        haproxy.install()
    assert caught.value.message == haproxy.ADVICE


def test_r_that_cannot_be_installed_is_one_sentence_with_what_to_type(machine: Path) -> None:
    with pytest.raises(MlopsError) as caught:
        r.install(machine / "repository")
    assert caught.value.message == r.ADVICE


def test_a_user_whom_sudo_would_ask_for_a_password_is_told_what_to_type(
    debian: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program(debian / "bin/sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    monkeypatch.setattr("ci.setup.apt.os.geteuid", lambda: 1000)
    monkeypatch.setattr("ci.setup.apt.sys.stdin", io.StringIO())
    with pytest.raises(MlopsError) as caught:
        r.install(debian / "repository")
    assert caught.value.message == r.ADVICE
    assert capfd.readouterr().err == ""
    assert not (debian / "log").exists()


def test_r_that_is_still_too_old_afterwards_is_refused(debian: Path) -> None:
    program(debian / "bin/apt-get", "#!/bin/sh\n")
    program(debian / "bin/Rscript", "#!/bin/sh\necho 'Rscript (R) version 3.6.3'\n")
    with pytest.raises(MlopsError) as caught:
        r.install(debian / "repository")
    assert caught.value.message == r.ADVICE


@pytest.fixture
def needs_a_package(debian: Path) -> Path:
    """A model that names an R package, where R lacks it."""
    program(debian / "bin/Rscript", RSCRIPT.format(state=debian))
    lock = debian / "repository/models/sales/renv.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text('{"R": {"Version": "4.2.2"}, "Packages": {"data.table": {}}}')
    return debian


def test_packages_of_the_models_r_locks_are_installed_once(needs_a_package: Path) -> None:
    r.install(needs_a_package / "repository")
    r.install(needs_a_package / "repository")
    update, install = (needs_a_package / "log").read_text().splitlines()
    assert update.split()[0] == "update"
    assert (install.split()[0], install.split()[-1]) == ("install", "r-cran-data.table")


def test_an_r_package_that_cannot_be_had_is_one_sentence_with_what_to_type(
    needs_a_package: Path,
) -> None:
    (needs_a_package / "no-cran").touch()
    with pytest.raises(MlopsError) as caught:
        r.install(needs_a_package / "repository")
    assert caught.value.message == (
        "R lacks data.table: install with `sudo apt-get install r-cran-data.table` (Debian and "
        "Ubuntu) or `Rscript -e 'install.packages(c(\"data.table\"))'`, then type `make setup` "
        "again."
    )


def test_an_r_lock_that_is_none_is_named(needs_a_package: Path) -> None:
    (needs_a_package / "repository/models/sales/renv.lock").write_text("[]")
    with pytest.raises(MlopsError, match=r"^models/sales/renv\.lock is not a lock"):
        r.install(needs_a_package / "repository")


def test_julia_is_the_official_build_where_it_can_be_had(official: Path) -> None:
    root = official / "repository"
    julia.install(root)
    found = julia.find(root)
    assert found == str(root / ".venv/bin/julia")
    assert version_of(found) == (1, 10)
    assert sorted(path.name for path in (root / ".venv").iterdir()) == ["bin", "julia-1.10.10"]


def test_an_official_build_with_another_digest_is_refused(
    official: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = official / "repository"
    monkeypatch.setattr(julia, "OFFICIAL", {"x86_64": ("x64", "0" * 64)})
    with pytest.raises(MlopsError, match=r"is not Julia 1\.10\.10 \(SHA-256"):
        julia.install(root)
    assert julia.find(root) is None
    assert [path.name for path in (root / ".venv").iterdir()] == ["bin"]


def test_julia_comes_from_debians_archived_suite_otherwise(debian: Path) -> None:
    julia.install(debian / "repository")
    assert version_of(julia.find(debian / "repository")) == (1, 5)
    assert julia.SOURCE.read_text() == (
        "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bullseye\n"
        "Components: main\nSigned-By: /keys/a.gpg\n"
    )
    assert "Pin: release n=bullseye\nPin-Priority: 50\n" in julia.PREFERENCES.read_text()


def test_a_mirror_without_the_archived_suite_is_left_as_it_was(debian: Path) -> None:
    (debian / "no-suite").touch()
    with pytest.raises(MlopsError) as caught:
        julia.install(debian / "repository")
    assert caught.value.message == julia.ADVICE
    assert not julia.SOURCE.exists()
    assert not julia.PREFERENCES.exists()


def test_julia_that_cannot_be_had_is_one_sentence_with_the_official_step(machine: Path) -> None:
    with pytest.raises(MlopsError) as caught:
        julia.install(machine / "repository")
    assert caught.value.message == julia.ADVICE


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("Types: deb\nSigned-By: /keys/a.gpg\nSuites: x\n", "/keys/a.gpg"),
        ("deb [arch=amd64 signed-by=/keys/b.gpg] http://m.example/debian x main\n", "/keys/b.gpg"),
        ("deb http://m.example/debian x main\n", None),
        ("Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n", None),
    ],
)
def test_the_keyring_of_an_apt_source(sources: str, expected: str | None) -> None:
    assert julia.keyring(sources) == expected
