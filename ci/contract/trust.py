"""`policies/trust.yaml`: what may be deployed, and what has to prove where it comes from."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from ci.contract.base import Name
from ci.contract.policy import Policy

KEY_BYTES = 32


def _public_key(value: str) -> str:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("is no public key; `mlops audit make-key NAME` prints the line to write")
    return value


class TrustPolicy(Policy):
    """The whole of `policies/trust.yaml`."""

    file: ClassVar[str] = "trust.yaml"

    keys: dict[Name, Annotated[str, AfterValidator(_public_key)]] = {}
    """Name to public key (Ed25519, base64). With one, what no key of these signed is not used."""
    attestations: bool = False
    """Whether a verdict needs GitHub's attestation that report.yml made it."""
