"""`policies/trust.yaml`: what may be deployed, and what has to prove where it comes from."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from ci.contract.base import Contract, Name, Text
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


# Formats that are read as data: loading one runs nothing of it.
Format = Literal["text", "npy", "parquet", "safetensors", "hdf5", "onnx"]


class Pickles(Contract):
    """What a pickle that a contract allows may import; all else is refused wherever it stands."""

    classes: list[Text] = []
    """Packages and modules whose classes (names that begin with a capital) may be imported."""
    names: list[Text] = []
    """Single functions and classes, such as `collections.OrderedDict`."""


class TrustPolicy(Policy):
    """The whole of `policies/trust.yaml`."""

    file: ClassVar[str] = "trust.yaml"

    formats: list[Format] = ["text", "npy", "parquet", "safetensors"]
    """Formats in which a model's artifact may be without more ado; zip and gzip count by what is
    in them."""
    pickles: Pickles = Pickles()
    """What pickles may import that `artifact.may_run_code` of a model.yaml allows."""
    keys: dict[Name, Annotated[str, AfterValidator(_public_key)]] = {}
    """Name to public key (Ed25519, base64). With one, what no key of these signed is not used."""
    attestations: bool = False
    """Whether a verdict needs GitHub's attestation that report.yml made it."""

    def may_import(self, wanted: str) -> bool:
        """Whether a pickle may import ``wanted`` (``module:name``)."""
        module, _, name = wanted.partition(":")
        if "." in name or not name.isidentifier():
            return False  # a name with dots walks on from what was imported
        if f"{module}.{name}" in self.pickles.names:
            return True
        return name[0].isupper() and any(
            module == own or module.startswith(f"{own}.") for own in self.pickles.classes
        )
