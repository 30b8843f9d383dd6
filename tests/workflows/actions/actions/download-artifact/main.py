"""Unzips artifacts of this run, or with a token of another."""

import fnmatch
import io
import json
import os
import zipfile
from pathlib import Path

from runner_side import api, ask, fail, given, is_true, output, token, workspace


def artifacts() -> list[dict[str, object]]:
    if given("github-token"):
        path = f"/repos/{given('repository')}/actions/runs/{given('run-id')}/artifacts?per_page=100"
        status, _, answer = api(path, token("github-token"))
        if status != 200:
            fail(f"Failed to ListArtifacts: {status}")
        return [each for each in json.loads(answer)["artifacts"] if not each["expired"]]
    _, _, answer = ask("GET", "artifacts", {"run": os.environ["GITHUB_RUN_ID"]})
    return list(json.loads(answer))


def content(number: object) -> bytes:
    if given("github-token"):
        path = f"/repos/{given('repository')}/actions/artifacts/{number}/zip"
        status, _, answer = api(path, token("github-token"))
    else:
        status, _, answer = ask("GET", "artifact", {"id": str(number)})
    if status != 200:
        fail(f"Failed to download the artifact: {status}")
    return answer


def chosen() -> list[dict[str, object]]:
    every = artifacts()
    if given("artifact-ids"):
        numbers = set(given("artifact-ids").replace(",", " ").split())
        return [each for each in every if str(each["id"]) in numbers]
    if given("name"):
        found = [each for each in every if each["name"] == given("name")]
        if not found:
            fail(f"Unable to download artifact(s): Artifact not found for name: {given('name')}")
        return found
    pattern = given("pattern") or "*"
    return [each for each in every if fnmatch.fnmatch(str(each["name"]), pattern)]


def main() -> None:
    target = Path(os.path.normpath(workspace() / given("path")))
    found = chosen()
    apart = not given("name") and not is_true("merge-multiple") and not given("artifact-ids")
    for each in found:
        folder = target / str(each["name"]) if apart else target
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(content(each["id"]))) as archive:
            archive.extractall(folder)
    output("download-path", target)
    print(f"{len(found)} artifacts")


main()
