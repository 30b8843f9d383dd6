"""Callers of other machines: HAProxy answers them over TLS, and only where keys were made."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.files import file_digest
from ci.keys.keys import keys

if TYPE_CHECKING:
    from ci.contract.deployment import Tls
    from ci.repository import Repository

WHERE = "local.tls in policies/deployment.yaml"


def variables(tls: Tls | None) -> dict[str, str]:
    """What haproxy.cfg needs to listen for them."""
    if tls is None:
        return {}
    host = f"[{tls.address}]" if ":" in tls.address else tls.address
    return {"TLS_BIND": f"{host}:{tls.port}", "TLS_CERTIFICATE": tls.certificate}


def state(tls: Tls | None) -> str:
    """What is another text once HAProxy must be started again; empty without TLS."""
    if tls is None:
        return ""
    path = Path(tls.certificate)
    content = file_digest(path) if path.is_file() else "missing"
    return f"{tls.address} {tls.port} {tls.certificate} {content}"


def problem(repository: Repository, tls: Tls | None) -> str | None:
    """Why nobody of another machine may call, in a sentence, or None where nothing is wrong."""
    if tls is None:
        return None
    if not keys(repository):
        return (
            f"{WHERE} lets other machines call, and no API key was made, so that anybody could: "
            "type `mlops keys make DEPARTMENT` first."
        )
    return _unusable(Path(tls.certificate))


def _unusable(path: Path) -> str | None:
    from cryptography import x509

    advice = "give the certificate, those of its issuers and its key in one PEM file"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_password)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return f"{WHERE} names {path}, which can't be used ({_reason(error)}): {advice}."
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC):
        return f"{WHERE} names {path}, whose certificate ended on {ends:%Y-%m-%d}: renew it."
    return None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is no PEM"
    return str(getattr(error, "strerror", None) or error)


def _no_password() -> str:
    raise ValueError("its key has a password")
