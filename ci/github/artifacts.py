"""Artifacts of runs; each is a zip."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.github.client import GitHub

Artifact = dict[str, Any]


def artifacts_of_run(github: GitHub, run_id: int) -> list[Artifact]:
    """Artifacts of a run: ``id``, ``name``, ``size_in_bytes``, ``expired``, ``digest``."""
    path = f"{github.repo}/actions/runs/{run_id}/artifacts"
    return list(github.paginate(path, key="artifacts"))


def find_artifacts(github: GitHub, name: str) -> list[Artifact]:
    """Artifacts with exactly that name from any run, newest first, expired ones left out.

    ``workflow_run`` says which run made it: whoever trusts one checks that first.
    """
    found = github.paginate(f"{github.repo}/actions/artifacts", {"name": name}, key="artifacts")
    live = [each for each in found if not each["expired"]]
    return sorted(live, key=lambda each: (each["created_at"] or "", each["id"]), reverse=True)


def artifacts_since(github: GitHub, since: datetime | None) -> Iterator[Artifact]:
    """Artifacts of any run made at or after ``since``, newest first, expired ones left out."""
    for each in github.paginate(f"{github.repo}/actions/artifacts", key="artifacts"):
        made = each["created_at"]
        if since and made and datetime.fromisoformat(made) < since:
            return  # GitHub lists the newest first
        if not each["expired"]:
            yield each


def download(github: GitHub, artifact_id: int, path: Path, limit_bytes: int) -> None:
    """Write the zip of an artifact to ``path``.

    Raises:
        MlopsError: ``too_large`` over ``limit_bytes``; ``artifact_damaged`` where the content is
            not what was uploaded, or GitHub did not record what that was.
        GitHubError: status 410 where it has expired.
    """
    told: Artifact = github.get(f"{github.repo}/actions/artifacts/{artifact_id}")
    if told["size_in_bytes"] > limit_bytes:
        size = f"{told['size_in_bytes']:,} bytes, more than {limit_bytes:,}"
        raise MlopsError("too_large", f"Artifact {told['name']} has {size}; not taken.")
    github.download(f"{github.repo}/actions/artifacts/{artifact_id}/zip", path, limit_bytes)
    if told.get("digest") != f"sha256:{file_digest(path)}":
        path.unlink()
        raise MlopsError(
            "artifact_damaged", f"Artifact {told['name']} is not what was uploaded: run it again."
        )
