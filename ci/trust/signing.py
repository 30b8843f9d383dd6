"""Signatures by Ed25519: of a released version, and of the head of the events.

What of a version is signed is what never changes of it, so that a rollback needs no key.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.events.event import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ci.repository import Repository
    from ci.state.records import Release

VARIABLE = "MLOPS_SIGNING_KEY"
# What a signature is of stands in what is signed, so that none can be used for something else.
RELEASE, HEAD = "kronkers-mlops release", "kronkers-mlops events head"
SIGNED = (
    *("model", "version", "fingerprint", "source", "bento", "digest"),
    *("commit", "pull", "candidate", "data", "image"),
)


@dataclass(frozen=True)
class MadeKey:
    """A new pair: ``public`` for policies/trust.yaml, ``secret`` for whoever signs."""

    name: str
    public: str
    secret: str


def make_key(name: str) -> MadeKey:
    """A new pair of keys."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return MadeKey(name, _text(key.public_key().public_bytes_raw()), _text(key.private_bytes_raw()))


def signature_of(release: Release) -> str | None:
    """The signature of a version by the key in the environment; None where no key is set.

    Raises:
        MlopsError: ``bad_key``.
    """
    return _sign(_of_release(release))


def signature_of_head(head: str) -> str | None:
    """The signature of the head of the events (``sequence:hash``); None where no key is set.

    Raises:
        MlopsError: ``bad_key``.
    """
    return _sign(_of_head(head))


def signer_of(policy: TrustPolicy, release: Release) -> str | None:
    """The name of the key that signed ``release``, or None."""
    return _signer(policy, _of_release(release), release.signature)


def signer_of_head(policy: TrustPolicy, head: str, signature: str | None) -> str | None:
    """The name of the key that signed ``head``, or None."""
    return _signer(policy, _of_head(head), signature)


def require_signed(repository: Repository, release: Release) -> None:
    """Refuse a version that no key of policies/trust.yaml signed; without a key all are taken.

    Raises:
        MlopsError: ``not_signed``; ``bad_policy``.
    """
    policy = load_policy(repository, TrustPolicy)
    if not policy.keys or signer_of(policy, release):
        return
    what = "the signature is of something else or by another key" if release.signature else "none"
    raise MlopsError(
        "not_signed",
        f"Version {release.version} of {release.model} is not used: policies/trust.yaml asks for a "
        f"signature by {' or '.join(policy.keys)}, and it has none that holds ({what}); run "
        f"deploy.yml with the model's name where {VARIABLE} is set, or go back to a version that "
        "is signed.",
    )


def require_signer(repository: Repository) -> None:
    """Find out before anything is released whether it can be signed as the policy asks.

    Raises:
        MlopsError: ``no_signing_key`` where the key is missing or not one of the policy's.
    """
    policy = load_policy(repository, TrustPolicy)
    if policy.keys and not signer_of_head(policy, "", signature_of_head("")):
        raise MlopsError(
            "no_signing_key",
            f"policies/trust.yaml asks for signatures by {' or '.join(policy.keys)}, and "
            f"{VARIABLE} is not set to the secret of one of them; set it (docs/trust.md) and run "
            "deploy.yml again. Nothing was released.",
        )


def _of_release(release: Release) -> bytes:
    fields = release.model_dump(mode="json", include=set(SIGNED))
    return canonical({"what": RELEASE, **fields})


def _of_head(head: str) -> bytes:
    return canonical({"what": HEAD, "head": head})


def _sign(content: bytes) -> str | None:
    secret = os.environ.get(VARIABLE)
    return _text(_private(secret).sign(content)) if secret else None


def _private(secret: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret, validate=True))
    except (binascii.Error, ValueError):
        raise MlopsError(
            "bad_key",
            f"{VARIABLE} is no key; set it to the secret that `mlops audit make-key NAME` printed.",
        ) from None


def _signer(policy: TrustPolicy, content: bytes, signature: str | None) -> str | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        given = base64.b64decode(signature or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    for name, public in policy.keys.items():
        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(given, content)
        except (InvalidSignature, ValueError):
            continue
        return name
    return None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
