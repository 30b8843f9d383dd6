"""Releasing: registered in MLflow, its Bento a release asset, and in production in the state.

The order is what makes a cut-off harmless: drafted and uploaded first, then the push to the state
branch, which alone decides, then shown. Whatever is missing after a cut-off the next run does.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.bentos import RECORD as RELEASE_RECORD
from ci.assets.bentos import asset_name, is_whole, tag_name
from ci.assets.data import DataStore
from ci.console import step
from ci.errors import MlopsError
from ci.events.event import Lineage
from ci.files import write_json
from ci.github import releases
from ci.package.archive import unpack
from ci.registry.change import (
    Pointed,
    Why,
    declare,
    follow,
    moved,
    pointed,
    register,
    tell,
)
from ci.registry.lineage import tags_of
from ci.registry.runs import log_run
from ci.registry.store import has_server
from ci.registry.versions import by_digest
from ci.release.due import holds
from ci.release.judged import verdict_line, waivers
from ci.release.notes import notes
from ci.release.staged import BENTO, OBJECTS, Staged
from ci.reproduce.sample import FILE as SAMPLE
from ci.state.branch import StateBranch
from ci.state.local import registry_of
from ci.state.records import (
    Release,
    SignedHead,
    add_signature,
    lift_pin,
    pin,
    put_in_production,
    released,
    versions,
    write_signed_head,
)
from ci.trust.signing import require_signer, signature_of, signature_of_head

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.release.approvals import Approval
    from ci.release.due import Request
    from ci.repository import Repository


@dataclass(frozen=True)
class Released:
    """A version that is in production now, and where GitHub shows it."""

    release: Release
    url: str


def publish(
    repository: Repository,
    github: GitHub,
    staged: Staged,
    folder: Path,
    approval: Approval,
    request: Request,
    image: str | None = None,
) -> Released:
    """Release what was staged in ``folder``; ``image`` is where its image was pushed to, if it was.

    Raises:
        MlopsError: ``no_signing_key``, ``damaged_bento``, ``overtaken``, ``state_busy`` or what
            GitHub and MLflow say.
            State, aliases and published releases are then as they were.
    """
    require_signer(repository)
    _require_whole(staged, folder)
    with step(f"{staged.model}: storing the data that it comes from"):
        files = {path.name: path for path in sorted((folder / OBJECTS).glob("*"))}
        DataStore(repository, github).store(files, staged.commit)

    def change(state: Path) -> tuple[Release, Pointed | None]:
        done = released(state, staged.model)
        if done and _is_of_this_run(done, staged, github):
            return done, None
        _require_current(repository, state, staged, request)
        with registry_of(state) as registry:
            if has_server():  # put right what a cut-off after an earlier push left undone
                follow(registry, staged.model)
            release = _registered(registry, github, staged, approval, image)
            _tell(registry, state, staged, release)
            to = pointed(registry, staged.model)
            own = {"events_head": to.head, "signature": signature_of(release)}
            release = release.model_copy(update=own)
            _upload(github, release, folder, notes(release, staged, approval, github))
            if not has_server():
                follow(registry, staged.model)
        sign(state, release)
        put_in_production(state, release)
        lift_pin(state, staged.model)
        return release, to

    with step(f"{staged.model}: registering and releasing"):
        message = f"Release {staged.model} from {staged.commit[:10]}"
        release, to = StateBranch(repository.root).update(message, change)
        if has_server() and to:  # a server can't be moved with the push, so it is moved after it
            follow(repository, release.model, to)
        url = show(github, release, notes(release, staged, approval, github))
    return Released(release, url)


def _tell(registry: Repository, state: Path, staged: Staged, release: Release) -> None:
    """The events of a version that comes to production."""
    name, why = release.model, _why(release)
    for waiver in waivers(staged.verdict, release.version, why.actor, why.workflow_run):
        tell(registry, waiver)
    declare(registry, moved("staged", name, release.version, why))
    declare(registry, moved("promoted", name, release.version, why))
    if pin(state, name):
        tell(registry, moved("unpinned", name, release.version, why))


def _why(release: Release) -> Why:
    number = f" in #{release.pull}" if release.pull else ""
    reason = f"main has it since {release.commit[:10]}{number}; it was {release.candidate}"
    return Why(reason, workflow_run=release.workflow_run)


def sign(state: Path, release: Release) -> None:
    """Where a key is set, sign the head of the events, and versions that are older than the key."""
    head = release.events_head
    signature = signature_of_head(head) if head else None
    if head and signature:
        write_signed_head(state, SignedHead(head=head, signature=signature))
    for older in versions(state, release.model):
        added = None if older.signature else signature_of(older)
        if added:
            add_signature(state, older, added)


def _is_of_this_run(done: Release, staged: Staged, github: GitHub) -> bool:
    """Whether an earlier attempt of the same run released it, and other models were left."""
    return (done.workflow_run, done.digest) == (github.context.run_url, staged.digest)


def show(github: GitHub, release: Release, text: str) -> str:
    """Publish the drafted GitHub release of a version; returns its address."""
    made = releases.draft(github, release.tag, release.commit, release.tag, text)
    if made["draft"]:
        made = releases.publish(github, made, release.commit, text)
    return str(made["html_url"])


def _require_whole(staged: Staged, folder: Path) -> None:
    """The Bento that is uploaded is the one that was judged and asked."""
    with tempfile.TemporaryDirectory(prefix="mlops-bento-") as directory:
        bento = Path(directory, "bento")
        unpack(folder / BENTO, bento)
        whole = is_whole(bento, staged.digest)
    passed = staged.verdict.verdict == "pass" and not staged.verdict.failed()
    same = staged.verdict.fingerprint == staged.trained.fingerprint
    if not (
        whole and passed and same and staged.bento == f"{staged.model}:{staged.trained.fingerprint}"
    ):
        raise MlopsError(
            "damaged_bento",
            f"The Bento of {staged.model} is not the one that passed the gate; run deploy.yml "
            "again.",
        )


def _require_current(repository: Repository, state: Path, staged: Staged, request: Request) -> None:
    """What was judged still stands against what is in production, and nothing was pinned since."""
    live, pinned = released(state, staged.model), pin(state, staged.model)
    version = live.version if live else None
    held = pinned and not request.passes(pinned) and holds(repository, pinned)
    if held or version != staged.champion_version:
        raise MlopsError(
            "overtaken",
            f"{staged.model} was rolled back or released by somebody else while this deployment "
            "ran; nothing was changed. Run deploy.yml again to judge it against what is live now.",
        )


def _registered(
    registry: Repository, github: GitHub, staged: Staged, approval: Approval, image: str | None
) -> Release:
    """The version of the staged candidate, registered unless its Bento was before."""
    lineage = Lineage(
        version=0,
        run_id="",
        source_run_id=staged.trained.run_id,
        fingerprint=staged.trained.fingerprint,
        source=staged.source,
        bento=staged.bento,
        digest=staged.digest,
        commit=staged.commit,
        committed_at=staged.committed_at,
        trained_at=staged.trained.trained_at,
        pull=staged.pull,
        approvers=approval.approvers,
        verdict=verdict_line(staged.verdict),
        candidate=staged.candidate,
        data=staged.data,
        evaluation=staged.evaluation,
        workflow_run=github.context.run_url,
        image=image,
    )
    if by_digest(registry, staged.model, staged.digest) is None:
        candidate = staged.trained.candidate()
        run = log_run(registry, candidate, dict(staged.determinants), tags_of(lineage))
        lineage = lineage.model_copy(update={"run_id": run})
    why = Why("a candidate that passed the gate", workflow_run=github.context.run_url)
    known = register(registry, staged.model, lineage, why, staged.measured)
    return Release(
        model=staged.model,
        version=known.version,
        fingerprint=staged.trained.fingerprint,
        source=staged.source,
        bento=staged.bento,
        digest=staged.digest,
        tag=tag_name(staged.model, known.version),
        asset=asset_name(staged.model, staged.trained.fingerprint),
        commit=staged.commit,
        pull=staged.pull,
        approvers=approval.approvers,
        candidate=staged.candidate,
        run_id=known.run_id,
        source_run_id=staged.trained.run_id,
        trained_at=staged.trained.trained_at,
        released_at=datetime.now(UTC).isoformat(timespec="seconds"),
        workflow_run=github.context.run_url,
        data=staged.data,
        evaluation=staged.evaluation,
        image=image,
    )


def _upload(github: GitHub, release: Release, folder: Path, text: str) -> None:
    """Draft the GitHub release with its Bento, its record and its sample.

    Of a release that is published (a revert comes back to it) only what is lost is put back; what
    a run that was cut off left in a draft is replaced.
    """
    made = releases.draft(github, release.tag, release.commit, release.tag, text)
    there = releases.all_assets(github, made)
    with tempfile.TemporaryDirectory(prefix="mlops-release-") as directory:
        record = Path(directory, RELEASE_RECORD)
        write_json(record, release.model_dump(mode="json"))
        files = {release.asset: folder / BENTO, RELEASE_RECORD: record, SAMPLE: folder / SAMPLE}
        for name, file in files.items():
            if name in there and made["draft"]:
                releases.remove_asset(github, there[name])
            if name not in there or made["draft"]:
                releases.upload_asset(github, made, name, file)
