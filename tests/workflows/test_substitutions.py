"""What is put in the place of the reviewed candidate, wherever that can be tried, is refused."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bentos.build import bento_digest
from ci.assets.bentos import bring_bento
from ci.assets.restore import restore
from ci.errors import MlopsError
from ci.events.audit import audit
from ci.fingerprint import fingerprint
from ci.handover.manifest import HOLDOUT
from ci.package.archive import pack
from ci.release.approvals import Approval
from ci.release.deliver import deliver
from ci.release.due import Request
from ci.release.go_back import go_back
from ci.release.publish import publish
from ci.release.reviewed import NotTakenError, Wanted
from ci.release.staged import BENTO, Staged, write_staged
from ci.state.branch import StateBranch
from ci.state.records import SignedHead, released, versions, write_signed_head
from ci.trust.signing import VARIABLE, MadeKey, make_key
from tests.support.repositories import git
from tests.workflows.standin.actions import add_artifact
from tests.workflows.test_publish import MODEL, Office, empty_registry, first_office, office
from tests.workflows.test_reviewed import Desk, zipped

__all__ = ["empty_registry", "first_office", "office"]

FILES = {
    "bento.yaml": "name: x\n",
    "src/model/artifact/line.csv": "400,-3\n",
    "src/model/predict.py": "def predict(model, rows): return model\n",
    "src/requirements.txt": "numpy==1 --hash=sha256:00\n",
    "src/bentos/service.py": "served = True\n",
    "src/contract.json": "{}\n",
}
SWAPS = {
    "another model file": "src/model/artifact/line.csv",
    "other predict code": "src/model/predict.py",
    "another lock": "src/requirements.txt",
    "another runner": "src/bentos/service.py",
    "another contract": "src/contract.json",
}


class Deployment(Desk):
    """A reviewed pull request that was merged, and what its deployment staged of it."""

    def __init__(self, office: Office) -> None:
        self.before = office.world.main
        super().__init__(office, f"models/{MODEL}/params.yaml")
        world = office.world
        world.review(self.number, "bob")
        git(office.repository.root, "pull", "-q", str(world.github.bare), "main")
        self.source = fingerprint(office.repository, MODEL)
        for name, text in FILES.items():
            path = self.bento / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.digest = self.digest_in_manifest = bento_digest(self.bento)
        self.model.update(
            bento_digest=self.digest,
            source=self.source,
            champion_version=None,
            champion_fingerprint=None,
        )
        self.staged_folder = office.folder / "staged-x"

    def staged(self, **changes: object) -> Staged:
        """The record of what was staged, as the job `stage` writes it."""
        honest, _ = self.office.stage("x")
        right = {
            "commit": self.office.world.main,
            "source": self.source,
            "digest": self.digest,
            "pull": self.number,
        }
        return honest.model_copy(update={**right, **changes})

    def deliver(self, staged: Staged | None = None, bento: Path | None = None) -> int:
        """What the job `release` makes of it: the version that is released."""
        made = staged or self.staged()
        pack(bento or self.bento, self.staged_folder / BENTO)
        write_staged(self.staged_folder, made)
        office = self.office
        request = Request(before=self.before)
        return deliver(
            office.repository, office.github, self.staged_folder, request
        ).release.version

    def swapped(self, name: str) -> Path:
        """The Bento, with other content in the file ``name``."""
        path = self.bento / name
        path.write_text(f"{path.read_text()}# something else\n")
        return self.bento


@pytest.fixture
def deployment(office: Office) -> Deployment:
    return Deployment(office)


def nothing_is_released(deployment: Deployment) -> bool:
    return deployment.office.live() is None and deployment.office.shown() == []


def refused(deployment: Deployment, staged: Staged | None = None) -> str:
    """The code with which the job `release` refuses; nothing has come out then."""
    with pytest.raises(MlopsError) as caught:
        deployment.deliver(staged)
    assert nothing_is_released(deployment)
    return caught.value.code


def test_the_reviewed_candidate_itself_is_released(deployment: Deployment) -> None:
    deployment.hand_over()
    assert deployment.take(Wanted(MODEL, deployment.source, None, None)).digest == deployment.digest
    assert deployment.deliver() == 1


@pytest.mark.parametrize("name", SWAPS.values(), ids=SWAPS)
def test_a_handover_with_something_else_in_it_is_not_taken(
    deployment: Deployment, name: str
) -> None:
    """The jobs of a pull request are its own, and may upload what they like, whatever it says."""
    deployment.swapped(name)
    deployment.digest_in_manifest = bento_digest(deployment.bento)
    deployment.hand_over()
    with pytest.raises(NotTakenError, match="Bento is not the one that was judged"):
        deployment.take(Wanted(MODEL, deployment.source, None, None))


@pytest.mark.parametrize("name", SWAPS.values(), ids=SWAPS)
def test_what_is_swapped_after_staging_is_not_released(deployment: Deployment, name: str) -> None:
    deployment.hand_over()
    deployment.swapped(name)
    assert refused(deployment) == "damaged_bento"
    own = deployment.staged(digest=bento_digest(deployment.bento))
    assert refused(deployment, own) == "not_reviewed"


def test_an_edited_record_of_staging_is_not_released(deployment: Deployment) -> None:
    deployment.hand_over()
    honest = deployment.staged()
    failing = honest.verdict.model_copy(update={"verdict": "fail"})
    for changes, code in (
        ({"verdict": failing}, "damaged_bento"),
        ({"bento": f"{MODEL}:{'0' * 40}"}, "damaged_bento"),
        ({"commit": "e" * 40}, "bad_staged"),
        ({"source": "e" * 40}, "bad_staged"),
        ({"pull": 99}, "not_reviewed"),
        ({"pull": None}, "not_reviewed"),
    ):
        assert refused(deployment, deployment.staged(**changes)) == code


def edited_in_storage(deployment: Deployment) -> None:
    """The verdict's bytes are others than those whose digest GitHub recorded."""
    deployment.model.update(verdict="fail")
    deployment.hand_over()
    (verdict,) = artifacts(deployment, "verdict-")
    edited = json.dumps({**deployment.verdict, "models": [{**deployment.model, "verdict": "pass"}]})
    Path(verdict["file"]).write_bytes(zipped({"verdict.json": edited.encode()}))


def without_recorded_digest(deployment: Deployment) -> None:
    deployment.hand_over()
    for each in artifacts(deployment, "verdict-"):
        each["digest"] = None


def by_another_run(deployment: Deployment) -> None:
    """A pull request's own run uploads a verdict under the right name."""
    text = json.dumps(deployment.verdict).encode()
    name = f"verdict-{deployment.head}"
    hub = deployment.office.world.github
    add_artifact(hub, deployment.pull_run["id"], name, zipped({"verdict.json": text}))


def of_another_repository(deployment: Deployment) -> None:
    deployment.report_run["head_owner"] = "mallory"
    deployment.hand_over()


def replayed(deployment: Deployment) -> None:
    """An older verdict that passed, of what main was before."""
    deployment.model.update(source="5" * 40)
    deployment.hand_over()


def against_an_older_champion(deployment: Deployment) -> None:
    deployment.model.update(champion_version=1, champion_fingerprint="7" * 40)
    deployment.hand_over()


def of_another_commit(deployment: Deployment) -> None:
    deployment.verdict.update(head_sha="e" * 40)
    deployment.hand_over()


def saying_no(deployment: Deployment) -> None:
    deployment.model.update(verdict="fail")
    deployment.hand_over()


@pytest.mark.parametrize(
    "change",
    [
        edited_in_storage,
        without_recorded_digest,
        by_another_run,
        of_another_repository,
        replayed,
        against_an_older_champion,
        of_another_commit,
        saying_no,
    ],
)
def test_a_verdict_that_is_not_report_ymls_on_what_main_is_now_lets_nothing_out(
    deployment: Deployment, change: Callable[[Deployment], None]
) -> None:
    change(deployment)
    with pytest.raises((NotTakenError, MlopsError)):
        deployment.take(Wanted(MODEL, deployment.source, None, None))
    with pytest.raises(MlopsError):
        deployment.deliver()
    assert nothing_is_released(deployment)


def test_a_replayed_manifest_is_not_taken(deployment: Deployment) -> None:
    """The handover of an older commit, in the place of the one that was judged."""
    honest = deployment.head
    deployment.head = "e" * 40
    files = deployment._files()
    deployment.head = honest
    deployment.hand_over()
    hub = deployment.office.world.github
    add_artifact(hub, deployment.pull_run["id"], f"handover-{MODEL}", zipped(files))
    with pytest.raises(NotTakenError, match="of another model or commit"):
        deployment.take(Wanted(MODEL, deployment.source, None, None))


def test_rows_put_in_the_place_of_the_judged_holdout_are_not_taken(deployment: Deployment) -> None:
    files = deployment._files()
    files[HOLDOUT] = gzip.compress(b"price,units\n1,9\n")
    manifest = json.loads(files["manifest.json"])
    from tests.workflows.test_reviewed import described

    manifest["files"][HOLDOUT] = described(files[HOLDOUT])
    files["manifest.json"] = json.dumps(manifest).encode()
    deployment.hand_over()
    hub = deployment.office.world.github
    add_artifact(hub, deployment.pull_run["id"], f"handover-{MODEL}", zipped(files))
    with pytest.raises(NotTakenError, match="holdout"):
        deployment.take(Wanted(MODEL, deployment.source, None, None))


def artifacts(deployment: Deployment, prefix: str) -> list[dict[str, Any]]:
    every = deployment.office.world.github.artifacts.values()
    return [each for each in every if each["name"].startswith(prefix)]


@pytest.mark.parametrize("name", SWAPS.values(), ids=SWAPS)
def test_a_released_bento_that_was_swapped_is_not_brought_to_a_host(
    deployment: Deployment, name: str
) -> None:
    deployment.hand_over()
    deployment.deliver()
    office, hub = deployment.office, deployment.office.world.github
    live = released(office.state(), MODEL)
    assert live is not None
    (asset,) = [each for each in hub.assets.values() if each["name"] == live.asset]
    pack(deployment.swapped(name), Path(asset["file"]))
    with pytest.raises(MlopsError) as caught:
        bring_bento(office.repository, office.github, live)
    assert caught.value.code in ("damaged_bento", "artifact_damaged")


class TestSignatures:
    """Where policies/trust.yaml has a key, what it did not sign is not used."""

    @pytest.fixture
    def key(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> MadeKey:
        made = make_key("platform")
        monkeypatch.setenv(VARIABLE, made.secret)
        monkeypatch.setenv("GITHUB_API_URL", office.world.url)
        self.ask_for(office, made)
        return made

    def ask_for(self, office: Office, made: MadeKey) -> None:
        policy = {"keys": {made.name: made.public}}
        (office.repository.policies_dir / "trust.yaml").write_text(yaml.safe_dump(policy))

    def release(self, office: Office, text: str, champion: int | None = None) -> None:
        staged, folder = office.stage(text, champion)
        publish(office.repository, office.github, staged, folder, Approval(["bob"]), Request())

    def change(self, office: Office, **changes: object) -> None:
        """Somebody who may write the state branch edits the record of what is in production."""

        def edit(state: Path) -> None:
            path = state / "released" / f"{MODEL}.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

        StateBranch(office.repository.root).update("edit", edit)

    def code(self, office: Office) -> str:
        with pytest.raises(MlopsError) as caught:
            restore(office.repository, [MODEL], data=False)
        assert not list((office.repository.state_dir / "bentoml").rglob("model.txt"))
        return caught.value.code

    def test_a_signed_release_is_used_and_so_is_what_a_rollback_goes_back_to(
        self, office: Office, key: MadeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.release(office, "one")
        self.release(office, "two", champion=1)
        monkeypatch.delenv(VARIABLE)  # who rolls back needs no key
        go_back(office.repository, office.github, MODEL, None, "slow", "carol")
        (live,) = restore(office.repository, [MODEL], data=False).released
        assert (live.version, bool(live.signature)) == (1, True)
        (found,) = audit(office.repository)
        assert found.found.findings == []
        assert found.found.signed == f"event {2 * 3} by platform"

    def test_an_edited_record_is_not_used(self, office: Office, key: MadeKey) -> None:
        self.release(office, "one")
        honest = released(office.state(), MODEL)
        assert honest is not None
        edits: list[dict[str, object]] = [
            {"digest": "0" * 64},
            {"bento": f"{MODEL}:{'0' * 40}"},
            {"fingerprint": "0" * 40},
            {"commit": "0" * 40},
            {"source": "0" * 40},
            {"version": 2},
            {"pull": 4},
            {"candidate": "trained again"},
            {"data": {}},
            {"signature": None},
            {"signature": "AAAA"},
            {"signature": "no base64"},
        ]
        for changes in edits:
            self.change(office, **{**honest.model_dump(mode="json"), **changes})
            assert self.code(office) == "not_signed", changes

    def test_a_key_that_is_not_of_the_policy_releases_and_brings_nothing(
        self, office: Office, key: MadeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.release(office, "one")
        self.ask_for(office, make_key("other"))
        assert self.code(office) == "not_signed"
        for secret, code in ((None, "no_signing_key"), (key.secret, "no_signing_key")):
            if secret is None:
                monkeypatch.delenv(VARIABLE)
            else:
                monkeypatch.setenv(VARIABLE, secret)
            with pytest.raises(MlopsError) as caught:
                self.release(office, "two", champion=1)
            assert caught.value.code == code
        monkeypatch.setenv(VARIABLE, "not a key")
        with pytest.raises(MlopsError) as caught:
            self.release(office, "two", champion=1)
        assert caught.value.code == "bad_key"
        assert office.live() == 1

    def test_versions_older_than_the_key_are_signed_by_the_next_release(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.release(office, "one")
        monkeypatch.setenv("GITHUB_API_URL", office.world.url)
        made = make_key("platform")
        self.ask_for(office, made)
        assert self.code(office) == "not_signed"
        with pytest.raises(MlopsError) as caught:
            self.release(office, "two", champion=1)
        assert caught.value.code == "no_signing_key"
        monkeypatch.setenv(VARIABLE, made.secret)
        self.release(office, "two", champion=1)
        assert all(each.signature for each in versions(office.state(), MODEL))
        go_back(office.repository, office.github, MODEL, None, "slow", "carol")
        assert restore(office.repository, [MODEL], data=False).released[0].version == 1

    def test_a_version_that_nobody_signed_is_not_gone_back_to(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.release(office, "one")
        self.release(office, "two", champion=1)
        self.ask_for(office, make_key("platform"))
        with pytest.raises(MlopsError) as caught:
            go_back(office.repository, office.github, MODEL, None, "slow", "carol")
        assert caught.value.code == "not_signed"
        assert office.live() == 2

    def test_a_signed_head_that_was_edited_shows(self, office: Office, key: MadeKey) -> None:
        self.release(office, "one")
        forged = SignedHead(head=f"3:{'0' * 64}", signature="AAAA")
        StateBranch(office.repository.root).update(
            "forge", lambda state: write_signed_head(state, forged)
        )
        office.state()
        (found,) = audit(office.repository)
        assert "was not signed by a key" in found.found.findings[-1].problem


class TestAttestations:
    """`gh` verifies them; here a program of ours stands in its place, and says no or yes."""

    def ask(self, deployment: Deployment, says: int, monkeypatch: pytest.MonkeyPatch) -> Path:
        office = deployment.office
        (office.repository.policies_dir / "trust.yaml").write_text("attestations: true\n")
        folder = office.folder / "programs"
        folder.mkdir()
        program, told = folder / "gh", office.folder / "told"
        program.write_text(
            f'#!/bin/sh\necho "$@" > {told}\necho "no attestations found" >&2\nexit {says}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        deployment.hand_over()
        return told

    def test_a_verdict_that_gh_verifies_is_taken(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = self.ask(deployment, 0, monkeypatch)
        wanted = Wanted(MODEL, deployment.source, None, None)
        assert deployment.take(wanted).digest == deployment.digest
        said = told.read_text()
        repository = deployment.office.world.github.full_name
        assert said.startswith("attestation verify ")
        assert f"--repo {repository} " in said
        assert f"--signer-workflow {repository}/.github/workflows/report.yml" in said
        assert "--source-ref refs/heads/main" in said

    def test_one_that_it_does_not_verify_is_not(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ask(deployment, 1, monkeypatch)
        with pytest.raises(NotTakenError, match="no attestations found"):
            deployment.take(Wanted(MODEL, deployment.source, None, None))

    def test_nor_one_where_there_is_no_gh(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ask(deployment, 0, monkeypatch)
        only_git = deployment.office.folder / "only-git"
        only_git.mkdir()
        (only_git / "git").symlink_to(str(shutil.which("git")))
        monkeypatch.setenv("PATH", str(only_git))
        with pytest.raises(NotTakenError, match="gh could not be run"):
            deployment.take(Wanted(MODEL, deployment.source, None, None))
