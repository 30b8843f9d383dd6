"""`policies/images.yaml`: what images are built on."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from ci.contract.base import Contract
from ci.contract.policy import Policy

DIGEST = r"sha256:[0-9a-f]{64}"
NAME = r"[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
Reference = Annotated[
    str, StringConstraints(pattern=rf"^({DIGEST}|{NAME}(:{TAG})?(@{DIGEST})?)$", max_length=300)
]


class Bases(Contract):
    """The base image of each language: `name:tag@sha256:…`, or the id of a local image."""

    python: Reference
    """Base of models in Python, on which the Python packages of all images are installed."""
    r: Reference
    """Base of models in R; R itself is installed with its apt where it is not in it."""
    julia: Reference
    """Base of models in Julia, which is in it, or else installed with its apt."""


class ImagesPolicy(Policy):
    """The whole of `policies/images.yaml`."""

    file: ClassVar[str] = "images.yaml"

    bases: Bases
    """What images are built on."""
