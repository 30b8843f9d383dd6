"""`mlops release`: what `deploy.yml` does on GitHub, for a remote that is a plain repository.

The Bento goes to the folder of releases first; the push to the state branch decides.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.bentos import asset_name, tag_name
from ci.assets.folder import lay, releases_folder
from ci.assets.objects import objects_of
from ci.console import step
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.fingerprint import inputs
from ci.gate import judgement
from ci.git import git
from ci.package import package
from ci.package.archive import pack
from ci.registry.change import Why, declare, follow, moved, pointed, register, tell
from ci.registry.lineage import tags_of
from ci.registry.runs import log_run
from ci.registry.store import has_server
from ci.registry.versions import by_digest
from ci.release.deploy import lineage_of, require_pass
from ci.release.due import holds
from ci.release.judged import measured, waivers
from ci.release.publish import sign
from ci.state.branch import StateBranch, default_branch
from ci.state.local import fetch, registry_of
from ci.state.records import Release, lift_pin, pin, put_in_production, released
from ci.toolchain import require
from ci.trust.signing import require_signer, signature_of

if TYPE_CHECKING:
    from ci.events.event import Lineage
    from ci.gate import Judgement
    from ci.package import Packaged
    from ci.registry.change import Pointed
    from ci.repository import Repository


def release(repository: Repository, name: str, reason: str, *, unpin: bool) -> Release:
    """Release the candidate of ``name``, if the gate passes it and main has all that it is of.

    Releasing what is in production already changes nothing.

    Raises:
        MlopsError: ``on_github``, ``no_signing_key``, ``not_on_main``, ``pinned``, ``overtaken``,
            ``refused``, or what training, packaging and the remote say. Nothing that is released
            has changed.
    """
    folder = _folder(repository)
    require_signer(repository)
    contract = load_model_contract(repository, name)
    require(contract.language)
    commit = _commit_on_main(repository)
    fetch(repository)
    judged = judgement(repository, name)
    require_pass(judged)
    with step(f"{name}: packaging"):
        packaged = package(repository, name)
    why = Why(reason)

    def change(state: Path) -> tuple[Release, Pointed | None]:
        live = released(state, name)
        _require_free(repository, state, name, unpin=unpin)
        if live and live.digest == packaged.digest:
            return live, None
        _require_same(judged, live)
        with registry_of(state) as registry:
            made = _registered(repository, registry, packaged, judged, commit, why)
            if pin(state, name):
                tell(registry, moved("unpinned", name, made.version, why))
            to = pointed(registry, name)
            if not has_server():
                follow(registry, name)
        made = made.model_copy(update={"events_head": to.head, "signature": signature_of(made)})
        _lay(folder, made, packaged)
        sign(state, made)
        put_in_production(state, made)
        lift_pin(state, name)
        return made, to

    with step(f"{name}: registering and releasing"):
        done, to = StateBranch(repository.root).update(f"Release {name}: {reason[:60]}", change)
    if has_server() and to:
        follow(repository, name, to)
    return done


def _folder(repository: Repository) -> Path:
    folder = releases_folder(repository)
    if folder is None:
        raise MlopsError(
            "on_github",
            "The remote origin is not a folder of this machine: on GitHub, merging to main "
            "releases; for another server, say where releases lie: git config mlops.releases "
            "FOLDER",
        )
    return folder


def _commit_on_main(repository: Repository) -> str:
    """The commit that is checked out, which everybody has."""
    commit = git(repository.root, "rev-parse", "HEAD").strip()
    branch = default_branch(repository.root)
    there = StateBranch(repository.root, branch=branch).head()
    if commit != there or git(repository.root, "status", "--porcelain").strip():
        raise MlopsError(
            "not_on_main",
            f"Only what {branch} of origin has is released, and this checkout differs from it; "
            f"commit what training changed too, and type: git push origin HEAD:{branch}",
        )
    return commit


def _require_free(repository: Repository, state: Path, name: str, *, unpin: bool) -> None:
    pinned = pin(state, name)
    if pinned and not unpin and holds(repository, pinned):
        raise MlopsError(
            "pinned",
            f"{name} stays at version {pinned.version}, where {pinned.by} pinned it "
            f"({pinned.reason}); change the model's files, or type: mlops release {name} --unpin",
        )


def _require_same(judged: Judgement, live: Release | None) -> None:
    version = judged.champion.version if judged.champion else None
    if (live.version if live else None) != version:
        raise MlopsError(
            "overtaken",
            f"{judged.contract.name} was released or rolled back by somebody else meanwhile; "
            "nothing was changed, type the same again to judge it against what is live now.",
        )


def _registered(
    repository: Repository,
    registry: Repository,
    packaged: Packaged,
    judged: Judgement,
    commit: str,
    why: Why,
) -> Release:
    """The version, with the events of its way to production."""
    name = judged.contract.name
    objects = objects_of(repository, [name])
    data = {each.path: each.md5 for each in objects}
    lineage = lineage_of(repository, packaged, judged).model_copy(
        update={"commit": commit, "data": data, "candidate": "trained again"}
    )
    if by_digest(registry, name, packaged.digest) is None:
        run = log_run(registry, packaged.candidate, inputs(repository, name), tags_of(lineage))
        lineage = lineage.model_copy(update={"run_id": run})
    held = measured(judged.contract, judged.evaluation)
    known = register(registry, name, lineage, why, held)
    for waiver in waivers(judged.verdict, known.version, why.actor):
        tell(registry, waiver)
    declare(registry, moved("staged", name, known.version, why))
    declare(registry, moved("promoted", name, known.version, why))
    return _release(lineage, known.model, known.version, known.run_id)


def _release(lineage: Lineage, model: str, version: int, run_id: str) -> Release:
    return Release(
        model=model,
        version=version,
        fingerprint=lineage.fingerprint,
        source=lineage.source or lineage.fingerprint,
        bento=lineage.bento,
        digest=lineage.digest,
        tag=tag_name(model, version),
        asset=asset_name(model, lineage.fingerprint),
        commit=lineage.commit or "",
        pull=None,
        approvers=[],
        candidate="trained again",
        run_id=run_id,
        source_run_id=lineage.source_run_id or "",
        trained_at=lineage.trained_at or "",
        released_at=datetime.now(UTC).isoformat(timespec="seconds"),
        workflow_run="",
        data=lineage.data,
        evaluation=lineage.evaluation,
    )


def _lay(folder: Path, made: Release, packaged: Packaged) -> None:
    with tempfile.TemporaryDirectory(prefix="mlops-release-") as directory:
        archive = Path(directory, "bento.tar")
        pack(packaged.path, archive)
        lay(folder, made, archive)
