"""Callers of other machines: over TLS, with a key, and never when either is missing."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from ci.contract.deployment import Tls
from ci.errors import MlopsError
from ci.keys.keys import access_path, make
from ci.repository import Repository
from ci.targets import front, local
from ci.targets.services import LIVE, read_record
from tests.support import repositories
from tests.support.repositories import write_model
from tests.support.services import free_port
from tests.support.switching import EXAMPLE, Place

NAME = "tiny-python"
ACCESS = """\
teams:
  platform: {members: []}
departments:
  marketing: {models: [tiny-python], requests_per_minute: 600}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("tls") / "repository")
    write_model(repository, NAME)
    (repository.policies_dir / "access.yaml").write_text(ACCESS)
    yield repository
    Place(repository).stop()


@pytest.fixture
def place(shared: Repository, tmp_path: Path) -> Iterator[Place]:
    """Nothing runs, no key was made, and the policy lets other machines call."""
    access_path(shared).unlink(missing_ok=True)
    tls = Tls(certificate=str(tmp_path / "host.pem"), address="127.0.0.1", port=free_port())
    certify(tmp_path / "host.pem")
    found = Place(shared, tls=tls)
    yield found
    found.stop()


def certify(path: Path, days: int = 1) -> None:
    """A certificate for this machine and its key, in one file, and each alone beside it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, address = datetime.now(UTC), x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=True)
        .sign(key, hashes.SHA256())
    )
    parts = {"c.pem": made.public_bytes(Encoding.PEM), "k.pem": pem(key, NoEncryption())}
    for name_of, content in parts.items():
        (path.parent / name_of).write_bytes(content)
    path.write_bytes(b"".join(parts.values()))


def pem(key: ec.EllipticCurvePrivateKey, how: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def call(place: Place, secret: str | None = None) -> httpx.Response:
    """Ask as another machine would, that trusts the certificate."""
    assert place.tls
    context = ssl.create_default_context(cafile=place.tls.certificate)
    given = {"Authorization": f"Bearer {secret}"} if secret else {}
    url = f"https://127.0.0.1:{place.tls.port}/{NAME}/predict"
    return httpx.post(url, json={"rows": [EXAMPLE]}, headers=given, verify=context, timeout=30)


def shown(place: Place) -> str:
    """The certificate that callers see."""
    assert place.tls
    return ssl.get_server_certificate(("127.0.0.1", place.tls.port), timeout=10)


def refused(place: Place) -> str:
    with pytest.raises(MlopsError) as caught:
        place.switch(1)
    assert caught.value.code == "no_tls"
    assert read_record(place.repository, NAME).of(LIVE) is None
    assert place.processes() == [], "nothing was started"
    return caught.value.message


def test_with_a_key_another_machine_may_call_and_without_it_may_not(place: Place) -> None:
    assert "mlops keys make" in refused(place), "anybody could call"
    secret = make(place.repository, "marketing", [], 1).secret
    place.switch(1)
    assert call(place).status_code == 401
    assert call(place, secret).json()["predictions"] == [3.0]
    assert place.tls
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{place.tls.port}/{NAME}/readyz", timeout=5)
    place.switch(2)
    assert call(place, secret).json()["version"] == 2, "switched at once for them too"


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = make(place.repository, "marketing", [], 1).secret
    place.switch(1)
    assert place.tls
    path = Path(place.tls.certificate)
    before = path.read_bytes()
    path.write_text("nothing")
    place.switch(2)
    assert (
        f"HAProxy goes on as it was started: local.tls in policies/deployment.yaml names {path}"
        in (capsys.readouterr().err)
    )
    path.write_bytes(before)
    first = shown(place)
    assert call(place, secret).json()["version"] == 2, "a broken file stops no switch"
    certify(path)
    front.apply(place.repository, place.policy.local)
    assert shown(place) != first
    assert call(place, secret).status_code == 200


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "No such file or directory"),
        ("a text", "it is no PEM"),
        ("no key", "it is no PEM"),
        ("another's key", "KEY_VALUES_MISMATCH"),
        ("a password", "its key has a password"),
        ("over", "whose certificate ended on"),
    ],
)
def test_a_certificate_that_is_of_no_use(place: Place, kind: str, said: str) -> None:
    make(place.repository, "marketing", [], 1)
    assert place.tls
    spoil(Path(place.tls.certificate), kind)
    message = refused(place)
    assert said in message
    assert place.tls.certificate in message
    assert "\n" not in message


def spoil(path: Path, kind: str) -> None:
    folder = path.parent
    certificate = (folder / "c.pem").read_text()
    if kind == "missing":
        path.unlink()
    elif kind == "a text":
        path.write_text("nothing")
    elif kind == "no key":
        path.write_text(certificate)
    elif kind == "another's key":
        certify(folder / "other.pem")
        path.write_text(certificate + (folder / "k.pem").read_text())
    elif kind == "a password":
        key = pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x"))
        path.write_text(certificate + key.decode())
    else:
        certify(path, days=-1)


def test_without_tls_nobody_of_another_machine_is_listened_to(place: Place) -> None:
    make(place.repository, "marketing", [], 1)
    only = dataclasses.replace(place, tls=None)
    only.switch(1)
    with pytest.raises(httpx.ConnectError):
        call(place)
    local.stop(place.repository, NAME)
