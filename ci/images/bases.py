"""The base images of `policies/images.yaml`, each pinned by its digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.contract.images import DIGEST, ImagesPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import write_whole

if TYPE_CHECKING:
    from ci.images.engine import Engine
    from ci.repository import Repository

ENDS_HERE = r"(?![\w@:./-])"


@dataclass(frozen=True)
class Base:
    """A pinned base: ``name`` as the policy has it without the digest, empty for a local image."""

    name: str
    digest: str

    @property
    def pinned(self) -> str:
        """As FROM takes it. The tag is left out: not every engine takes a tag with a digest."""
        repository = untagged(self.name)
        return f"{repository}@{self.digest}" if repository else self.digest.removeprefix("sha256:")


@dataclass(frozen=True)
class Locked:
    """A base in the policy, before and after `mlops images lock`."""

    language: str
    before: str
    now: str


def base_of(repository: Repository, language: str) -> Base:
    """The base of images of ``language``.

    Raises:
        MlopsError: ``bad_policy``, or ``base_without_digest``.
    """
    written = getattr(load_policy(repository, ImagesPolicy).bases, language)
    if re.fullmatch(DIGEST, written):
        return Base("", written)
    name, _, digest = written.partition("@")
    if not digest:
        raise MlopsError(
            "base_without_digest",
            f"bases.{language} in policies/images.yaml is {written}, which names no digest, so "
            "that it could be another image tomorrow; type: mlops images lock",
        )
    return Base(name, digest)


def lock(repository: Repository, engine: Engine) -> list[Locked]:
    """Write the newest digest of each base into the policy, whose comments stay.

    Raises:
        MlopsError: ``bad_policy``, ``no_engine`` or ``no_digest``; nothing is changed then.
    """
    bases = load_policy(repository, ImagesPolicy).bases.model_dump()
    newest = {written: _newest(engine, written) for written in dict.fromkeys(bases.values())}
    path = repository.policies_dir / ImagesPolicy.file
    text = path.read_text(encoding="utf-8")
    for written, now in newest.items():
        text = re.sub(re.escape(written) + ENDS_HERE, now, text)
    write_whole(path, text)
    return [Locked(language, written, newest[written]) for language, written in bases.items()]


def untagged(name: str) -> str:
    """A name without its tag; a registry's port is no tag."""
    return re.sub(r":[^/:]*$", "", name)


def _newest(engine: Engine, written: str) -> str:
    name = written.partition("@")[0]
    return written if re.fullmatch(DIGEST, name) else f"{name}@{engine.digest_of(name)}"
