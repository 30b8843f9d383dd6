"""Zips what the paths name, with the real action's rules, and gives it to the stand-in."""

import glob
import io
import json
import os
import re
import zipfile
from pathlib import Path

from runner_side import ask, fail, given, is_true, output, workspace

BAD_NAME = re.compile(r'["<>|*?:\r\n\\/]')


def listed() -> tuple[list[Path], list[Path]]:
    """Files to upload, and the places that were searched."""
    wanted, searched, unwanted = set(), [], set()
    for line in filter(None, map(str.strip, given("path").splitlines())):
        pattern = os.path.normpath(workspace() / line.lstrip("!"))
        hits = {Path(each) for each in glob.glob(pattern, recursive=True, include_hidden=True)}
        files = {each for hit in hits for each in _below(hit)}
        if line.startswith("!"):
            unwanted |= files
        else:
            wanted |= files
            searched += [hit if hit.is_dir() else hit.parent for hit in hits]
            if any(mark in line for mark in "*?["):
                searched.append(_fixed_part(pattern))
    return sorted(wanted - unwanted), searched


def _below(hit: Path) -> list[Path]:
    if not hit.is_dir():
        return [] if _hidden(Path(hit.name)) else [hit]
    files = [each for each in hit.rglob("*") if each.is_file()]
    return [each for each in files if not _hidden(each.relative_to(hit))]


def _hidden(path: Path) -> bool:
    return not is_true("include-hidden-files") and any(part[0] == "." for part in path.parts)


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    return Path(*parts[: next(i for i, part in enumerate(parts) if re.search(r"[*?\[]", part))])


def main() -> None:
    name = given("name")
    if not name or BAD_NAME.search(name):
        fail(f"The artifact name is not valid: {name!r}")
    files, searched = listed()
    if not files:
        message = f"No files were found with the provided path: {given('path')}."
        if given("if-no-files-found") == "error":
            fail(message)
        print(f"::warning::{message}" if given("if-no-files-found") == "warn" else message)
        return
    root = Path(os.path.commonpath(searched))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(root).as_posix())
    query = {"run": os.environ["GITHUB_RUN_ID"], "name": name, "overwrite": given("overwrite")}
    status, _, answer = ask("POST", "artifacts", query, content.getvalue())
    if status != 201:
        fail(f"Failed to CreateArtifact: {json.loads(answer)['message']}")
    made = json.loads(answer)
    output("artifact-id", made["id"])
    output("artifact-digest", made["digest"].removeprefix("sha256:"))
    page = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs"
    output("artifact-url", f"{page}/{os.environ['GITHUB_RUN_ID']}/artifacts/{made['id']}")
    print(f"Artifact {name}: {len(files)} files")


main()
