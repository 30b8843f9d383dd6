"""A real handover of a small model, and zips made of it as a stranger might."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.handover.make import make_handover
from ci.handover.manifest import BENTO, MANIFEST
from ci.repository import Repository
from ci.review.judge import Court, ModelReview, review_model
from ci.review.source import Source, source
from tests.support import linear
from tests.support.repositories import commit_all, git
from tests.workflows.template import write_template

MODEL = "sales-python"
Files = dict[str, bytes]


@dataclass(frozen=True)
class PullRequest:
    """A repository on `main`, a head commit beside it, and what its job handed over.

    ``left`` are the names of what its job left behind in `.mlops`.
    """

    base: Repository
    head_sha: str
    base_sha: str
    files: Mapping[str, bytes]
    left: frozenset[str]

    @property
    def manifest(self) -> dict[str, Any]:
        """A copy to change."""
        manifest: dict[str, Any] = json.loads(self.files[MANIFEST])
        return manifest

    def with_files(self, files: Mapping[str, bytes], **changes: Any) -> bytes:
        """The zip with other ``files``, told by the manifest, whose keys may change as well."""
        every = {name: content for name, content in {**self.files, **files}.items() if content}
        manifest = {**self.manifest, **changes}
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in every.items()
            if name != MANIFEST
        }
        return zipped({**every, MANIFEST: json.dumps(manifest).encode()})

    def with_manifest(self, change: Callable[[dict[str, Any]], None]) -> bytes:
        """The zip with another manifest."""
        manifest = self.manifest
        change(manifest)
        return zipped({**self.files, MANIFEST: json.dumps(manifest).encode()})

    def judge(self, archive: bytes, scratch: Path) -> ModelReview:
        """What the default branch says of the zip."""
        scratch.mkdir(parents=True)
        path = scratch / "handover.zip"
        path.write_bytes(archive)
        merged = source(self.base, self.head_sha, scratch / "merged")

        def source_at(base_sha: str) -> Source:
            return source(self.base, self.head_sha, scratch / base_sha, base_sha)

        court = Court(self.base, merged, source_at, scratch)
        return review_model(court, MODEL, path, "nothing there")


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip as the upload of artifacts makes it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(members: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A tar of files and symbolic links."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, aim in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, aim
            archive.addfile(entry)
    return target.getvalue()


def untarred(content: bytes) -> dict[str, bytes]:
    """The files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {each.name: _content(archive, each) for each in archive}


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(entry)
    assert file, entry.name
    return file.read()


def pull_request(
    folder: Path, shrinkage: float = 0.01, replaced: Mapping[str, tuple[str, str]] | None = None
) -> PullRequest:
    """A pull request that changes a parameter of a small model, trained and handed over.

    ``replaced`` maps a file of the model to a text in it and what stands there instead.
    """
    write_template(folder / "repository", {MODEL: "python"})
    base = Repository(folder / "repository")
    base_sha = git(base.root, "rev-parse", "HEAD").strip()
    git(base.root, "checkout", "-q", "-b", "work")
    linear.set_shrinkage(base.models_dir / MODEL, shrinkage)
    for name, (before, after) in (replaced or {}).items():
        path = base.models_dir / MODEL / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))
    head_sha = commit_all(base.root)
    made = make_handover(base, MODEL, head_sha, base_sha, folder / "handover")
    assert made.failure is None, made.failure
    left = frozenset(path.name for path in base.state_dir.iterdir())
    git(base.root, "checkout", "-q", "-f", "main")
    git(base.root, "clean", "-q", "-d", "-f", "-x")
    files = {path.name: path.read_bytes() for path in (folder / "handover").iterdir()}
    return PullRequest(base, head_sha, base_sha, files, left)


__all__ = ["BENTO", "MODEL", "PullRequest", "pull_request", "tarred", "untarred", "zipped"]
