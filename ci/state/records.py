"""What the state branch holds: releases, pins, and how far main has been deployed.

`released/MODEL.json` is what is in production, `versions/MODEL/N.json` every version that ever
was, `pins/MODEL.json` a version that deployments must not pass, `deployed.json` the last commit,
`events.jsonl` every change of all that, `signed-head.json` its newest head that was signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from ci.contract.base import Contract
from ci.contract.evaluated import Evaluated  # noqa: TC001 (pydantic reads it at run time)
from ci.errors import MlopsError
from ci.files import read_json, write_json
from ci.registry.versions import Version

if TYPE_CHECKING:
    from pathlib import Path

C = TypeVar("C", bound=Contract)


class Release(Contract):
    """A version that was released, and all that it comes from.

    ``fingerprint`` is the candidate's; ``source`` is the fingerprint of the checkout that led to
    it, which differs where training recorded new digests of its data. ``digest`` is the Bento's
    content digest. ``data`` maps each file of a dataset to DVC's digest. ``evaluation`` is how it
    was judged, or None where that was not kept. ``events_head`` is that of the audit events when it
    came to production: ``sequence:hash``. ``signature`` is of what never changes of it.
    ``image`` is REGISTRY/MODEL@sha256:…, where images are pushed.
    """

    model: str
    version: int
    fingerprint: str
    source: str
    bento: str
    digest: str
    tag: str
    asset: str
    commit: str
    pull: int | None
    approvers: list[str]
    candidate: Literal["reviewed", "trained again"]
    run_id: str
    source_run_id: str
    trained_at: str
    released_at: str
    workflow_run: str
    data: dict[str, str]
    evaluation: Evaluated | None = None
    events_head: str | None = None
    signature: str | None = None
    image: str | None = None

    def as_version(self) -> Version:
        """The same as the registry knows it."""
        return Version(
            model=self.model,
            version=self.version,
            fingerprint=self.fingerprint,
            run_id=self.run_id,
            bento=self.bento,
            digest=self.digest,
            git_commit=self.commit,
            evaluation=self.evaluation.model_dump(mode="json") if self.evaluation else None,
            data=self.data,
        )


class Pin(Contract):
    """Production stays at ``version``; ``left`` is the version that was rolled back from.

    ``own`` is the digest of the model's own files on main at that moment: only a change of them
    may be deployed again.
    """

    model: str
    version: int
    left: int
    own: str
    reason: str
    by: str
    at: str


class Deployed(Contract):
    """The last commit of main that a deployment has dealt with.

    ``owed`` maps each model that was never released, though it should have been, to the commit
    before its change. ``events_head`` is that of the audit events at its end.
    """

    commit: str
    at: str
    owed: dict[str, str]
    events_head: str | None = None


class SignedHead(Contract):
    """``head`` of the events (``sequence:hash``) as the job that released something signed it."""

    head: str
    signature: str


def released(folder: Path, model: str) -> Release | None:
    """What is in production of ``model`` according to the state in ``folder``."""
    return _read(folder / "released" / f"{model}.json", Release)


def all_released(folder: Path) -> list[Release]:
    """What is in production, by model."""
    names = sorted(path.stem for path in (folder / "released").glob("*.json"))
    return [release for name in names if (release := released(folder, name))]


def versions(folder: Path, model: str) -> list[Release]:
    """Every version of ``model`` that was ever in production, oldest first."""
    paths = (folder / "versions" / model).glob("*.json")
    found = [release for path in paths if (release := _read(path, Release))]
    return sorted(found, key=lambda release: release.version)


def all_versions(folder: Path) -> list[str]:
    """Models of which any version is or was in production, by name."""
    names = {path.name for path in (folder / "versions").glob("*") if path.is_dir()}
    return sorted(names | {path.stem for path in (folder / "released").glob("*.json")})


def put_in_production(folder: Path, release: Release) -> None:
    """Write down that ``release`` is in production; a version's own record never changes."""
    own = _own(folder, release)
    if not own.exists():
        write_json(own, release.model_dump(mode="json"))
    write_json(folder / "released" / f"{release.model}.json", release.model_dump(mode="json"))


def add_signature(folder: Path, release: Release, signature: str) -> None:
    """Sign a version that was released before there was a key; nothing else of it changes."""
    signed = release.model_copy(update={"signature": signature})
    write_json(_own(folder, release), signed.model_dump(mode="json"))


def _own(folder: Path, release: Release) -> Path:
    return folder / "versions" / release.model / f"{release.version}.json"


def signed_head(folder: Path) -> SignedHead | None:
    """The newest head of the events that was signed, or None."""
    return _read(folder / "signed-head.json", SignedHead)


def write_signed_head(folder: Path, wanted: SignedHead) -> None:
    """Write down the head that was signed last."""
    write_json(folder / "signed-head.json", wanted.model_dump(mode="json"))


def pin(folder: Path, model: str) -> Pin | None:
    """The pin of ``model``, or None."""
    return _read(folder / "pins" / f"{model}.json", Pin)


def write_pin(folder: Path, wanted: Pin) -> None:
    """Pin a model; a pin that it has is replaced."""
    write_json(folder / "pins" / f"{wanted.model}.json", wanted.model_dump(mode="json"))


def all_pins(folder: Path) -> list[Pin]:
    """Every pin, by model."""
    names = sorted(path.stem for path in (folder / "pins").glob("*.json"))
    return [found for name in names if (found := pin(folder, name))]


def lift_pin(folder: Path, model: str) -> None:
    """Remove the pin of ``model``, where it has one."""
    (folder / "pins" / f"{model}.json").unlink(missing_ok=True)


def deployed(folder: Path) -> Deployed | None:
    """How far main has been deployed, or None before the first deployment."""
    return _read(folder / "deployed.json", Deployed)


def write_deployed(folder: Path, wanted: Deployed) -> None:
    """Write down how far main has been deployed."""
    write_json(folder / "deployed.json", wanted.model_dump(mode="json"))


def _read(path: Path, kind: type[C]) -> C | None:
    """Raises MlopsError ``bad_state`` for a file that is there and not what it should be."""
    if not path.exists():
        return None
    try:
        return kind.model_validate(read_json(path))
    except ValueError as error:
        first = str(error).splitlines()[-2:]
        raise MlopsError(
            "bad_state",
            f"{path.parent.name}/{path.name} on the branch mlops-state is damaged "
            f"({' '.join(' '.join(first).split())}); restore it from the branch's history.",
        ) from None
