"""Which reviewed candidate may be taken: only the one that report.yml passed, as it was then."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentos.build import bento_digest
from ci.files import file_digest
from ci.github import pulls
from ci.handover.manifest import BENTO, HOLDOUT, METRICS, PREDICTIONS
from ci.package.archive import pack
from ci.release.reviewed import NotTakenError, Taken, Wanted, take
from tests.workflows.standin.actions import add_artifact
from tests.workflows.standin.hub import Document, now
from tests.workflows.test_publish import MODEL, Office, first_office

SOURCE, MARK = "5" * 40, "6" * 40
HOLDOUT_ROWS = b"price,units\n1,2\n"

__all__ = ["first_office"]


class Desk:
    """A merged pull request, its run and the run of report.yml, all as they should be."""

    def __init__(self, office: Office, changed: str = "README.md") -> None:
        self.office, world = office, office.world
        self.number = world.open_pull("tune", {changed: "train: {shrinkage: 0.01}\n"})
        self.head = world.head(self.number)
        world.merge(self.number)
        self.pull_run = self._run(".github/workflows/pull-request.yml", "pull_request", "tune")
        self.report_run = self._run(".github/workflows/report.yml", "workflow_run", "main")
        self.bento = office.folder / "made"
        (self.bento / "src").mkdir(parents=True)
        (self.bento / "src" / "model.txt").write_text("judged")
        self.digest = bento_digest(self.bento)
        self.model: Document = {
            "model": MODEL,
            "owner": "marketing",
            "source": SOURCE,
            "fingerprint": MARK,
            "bento_digest": self.digest,
            "champion_version": 2,
            "champion_fingerprint": "7" * 40,
            "holdout_digest": file_digest(self._holdout()),
            "verdict": "pass",
            "rules": [],
            "problem": None,
        }
        self.verdict: Document = {
            "pull": self.number,
            "head_sha": self.head,
            "base_sha": world.main,
            "run_id": self.pull_run["id"],
            "run_attempt": 1,
            "judged_at": now(),
            "models": [self.model],
        }
        self.digest_in_manifest = self.digest

    def _run(self, path: str, event: str, branch: str) -> Document:
        hub = self.office.world.github
        number = hub.next_id()
        hub.runs[number] = {
            "id": number,
            "name": path,
            "path": path,
            "event": event,
            "status": "completed",
            "conclusion": "success",
            "head_branch": branch,
            "head_sha": self.head,
            "head_owner": hub.owner,
            "pulls": [],
            "pull": None,
            "attempt": 1,
            "actor": "alice",
            "created_at": now(),
            "updated_at": now(),
        }
        return hub.runs[number]

    def _holdout(self) -> Path:
        path = self.office.folder / "holdout.csv"
        path.write_bytes(HOLDOUT_ROWS)
        return path

    def hand_over(self) -> None:
        """Upload the two artifacts as their runs do."""
        hub = self.office.world.github
        verdict = {"verdict.json": json.dumps(self.verdict).encode()}
        add_artifact(hub, self.report_run["id"], f"verdict-{self.head}", zipped(verdict))
        add_artifact(hub, self.pull_run["id"], f"handover-{MODEL}", zipped(self._files()))

    def _files(self) -> dict[str, bytes]:
        tar = self.office.folder / "bento.tar"
        pack(self.bento, tar)
        files = {
            HOLDOUT: gzip.compress(HOLDOUT_ROWS),
            PREDICTIONS: gzip.compress(b"units\n2\n"),
            METRICS: b'{"slope": -3.0}',
            "model.yaml": b"name: x\n",
            BENTO: tar.read_bytes(),
        }
        staged, _ = self.office.stage("x")
        trained = {**staged.trained.model_dump(mode="json"), "fingerprint": MARK}
        manifest: dict[str, Any] = {
            "format": 1,
            "model": MODEL,
            "language": "python",
            "head_sha": self.head,
            "base_sha": self.office.world.main,
            "source": SOURCE,
            "fingerprint": MARK,
            "candidate": trained,
            "bento": f"{MODEL}:{MARK}",
            "bento_digest": self.digest_in_manifest,
            "files": {name: described(content) for name, content in files.items()},
            "failure": None,
            "seconds": {"train": 1.0},
        }
        return {"manifest.json": json.dumps(manifest).encode(), **files}

    def take(self, wanted: Wanted | None = None) -> Taken:
        """What a deployment makes of it."""
        wanted = wanted or Wanted(MODEL, SOURCE, 2, "7" * 40)
        pull = pulls.pull(self.office.github, self.number)
        scratch = self.office.folder / "scratch"
        return take(self.office.github, [pull], wanted, scratch)


def described(content: bytes) -> dict[str, object]:
    import hashlib

    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def desk(first_office: Office) -> Desk:
    return Desk(first_office)


def test_what_was_judged_is_taken(desk: Desk) -> None:
    desk.hand_over()
    taken = desk.take()
    assert (taken.pull, taken.digest) == (desk.number, desk.digest)
    assert (taken.bento / "src" / "model.txt").read_text() == "judged"
    assert taken.holdout.read_bytes() == HOLDOUT_ROWS


def spoil(part: str, **changes: object) -> Callable[[Desk], None]:
    def change(desk: Desk) -> None:
        getattr(desk, part).update(changes)

    return change


def another_bento(desk: Desk) -> None:
    """The handover's jobs are the pull request's own: they may upload what they like."""
    (desk.bento / "src" / "model.txt").write_text("something worse")
    desk.digest_in_manifest = desk.digest


def another_bento_that_says_so(desk: Desk) -> None:
    (desk.bento / "src" / "model.txt").write_text("something worse")
    desk.digest_in_manifest = bento_digest(desk.bento)


def of_another_run(desk: Desk) -> None:
    """Somebody's later run uploaded a handover of the same name."""
    desk.verdict["run_id"] = desk.report_run["id"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil("report_run", path=".github/workflows/pull-request.yml"), "verdict"),
        (spoil("report_run", event="pull_request"), "verdict"),
        (spoil("report_run", head_branch="tune"), "verdict"),
        (spoil("report_run", head_owner="mallory"), "verdict"),
        (spoil("verdict", pull=99), "verdict"),
        (spoil("verdict", head_sha="e" * 40), "verdict"),
        (spoil("verdict", surprise=1), "can't be read"),
        (spoil("model", verdict="fail"), "verdict is fail"),
        (spoil("model", source="e" * 40), "something else was merged"),
        (spoil("model", model="other"), "no candidate"),
        (spoil("model", champion_version=1), "judged against version 1"),
        (spoil("model", champion_fingerprint="e" * 40), "judged against version 2"),
        (spoil("model", holdout_digest="e" * 64), "holdout"),
        (another_bento, "Bento"),
        (another_bento_that_says_so, "Bento"),
        (of_another_run, "another workflow"),
        (spoil("pull_run", path=".github/workflows/own.yml"), "another workflow"),
        (spoil("pull_run", head_sha="e" * 40), "another workflow"),
    ],
)
def test_what_is_not_taken(desk: Desk, change: Callable[[Desk], None], said: str) -> None:
    change(desk)
    desk.hand_over()
    with pytest.raises(NotTakenError, match=said):
        desk.take()


def test_a_first_version_that_was_judged_without_a_champion(desk: Desk) -> None:
    desk.model.update(champion_version=None, champion_fingerprint=None)
    desk.hand_over()
    assert desk.take(Wanted(MODEL, SOURCE, None, None)).digest == desk.digest
    with pytest.raises(NotTakenError, match="no version, and now version 2"):
        desk.take()


def test_what_has_expired_is_not_taken(desk: Desk) -> None:
    desk.hand_over()
    desk.office.world.expire_artifacts()
    with pytest.raises(NotTakenError, match="expired"):
        desk.take()
