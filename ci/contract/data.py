"""`policies/data.yaml`: where the content of datasets is kept for good."""

from __future__ import annotations

from typing import ClassVar

from ci.contract.base import Contract
from ci.contract.policy import Policy
from ci.contract.source import HttpAddress, S3Address


class Bucket(Contract):
    """Storage that takes S3's protocol, and gives its objects without a credential.

    Objects lie as in a remote of DVC, by the MD5 of their content.
    """

    write: S3Address
    """`s3://bucket/folder`. Only jobs in which no model's code runs (`release` of deploy.yml and
    `refresh` of data.yml) and whoever types `mlops data push` have the credential for it."""
    read: HttpAddress
    """The same folder by HTTP, as the jobs of pull requests read it: with no credential, since
    theirs would be everybody's."""


class DataPolicy(Policy):
    """The whole of `policies/data.yaml`."""

    file: ClassVar[str] = "data.yaml"

    bucket: Bucket | None = None
    """null: assets of the release `data-store`, which whoever may read the repository may read."""
