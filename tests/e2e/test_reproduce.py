"""A released version is built again from its commit and its data, and predicts the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ci.assets.objects import Cache
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.events.event import Lineage
from ci.package import package
from ci.pipeline import train
from ci.registry.change import Why, register
from ci.repository import Repository
from ci.reproduce import Reproduced, reproduce
from ci.reproduce.checkout import bring_data, check_out_commit
from ci.reproduce.sample import keep_sample, sample_path
from tests.support import linear
from tests.support.repositories import commit_all, git
from tests.workflows.template import write_template

NAME = "line"


def released(root: Path, language: str) -> Repository:
    """A repository in which version 1 was trained and registered, and much has changed since."""
    write_template(root, {NAME: language})
    shutil.rmtree(root / "ci")  # the platform of this checkout trains, as in any temporary one
    commit_all(root, "without a platform")
    repository = Repository(root)
    version(repository)
    return repository


def version(repository: Repository) -> None:
    candidate = train(repository, NAME)
    packaged = package(repository, NAME)
    contract = load_model_contract(repository, NAME)
    lineage = Lineage(
        version=0,
        run_id=candidate.run_id,
        fingerprint=candidate.fingerprint,
        bento=packaged.bento,
        digest=packaged.digest,
        commit=candidate.git_commit,
        data=candidate.data,
    )
    register(repository, NAME, lineage, Why("a test"))
    path = sample_path(repository, NAME, packaged.digest)
    keep_sample(repository, contract, packaged.path, path)


def whats(found: Reproduced) -> set[str]:
    return {each.what for each in found.differences}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return released(tmp_path_factory.mktemp("reproduce") / "repository", "python")


def test_a_version_is_the_same_again_though_model_and_data_have_changed_since(
    repository: Repository,
) -> None:
    before = git(repository.root, "status", "--porcelain")
    linear.set_shrinkage(repository.models_dir / NAME, 0.5)
    table = repository.data_dir / "sales" / "tables" / "sales.csv"
    kept = table.read_bytes()
    table.unlink()
    try:
        found = reproduce(repository, NAME, 1)
    finally:
        git(repository.root, "checkout", "-q", "models")
        table.write_bytes(kept)
    assert (found.same_predictions, found.same_artifact, found.same_bento) == (True, True, True)
    assert (found.rows, found.differences) == (200, [])
    assert found.compared_with == "the sample that was stored with the release"
    assert git(repository.root, "status", "--porcelain") == before
    assert git(repository.root, "worktree", "list").count("\n") == 1


def test_what_differs_is_named(repository: Repository, tmp_path: Path) -> None:
    """The sample and the Bento that were kept are others than what is built again."""
    copy = Repository(Path(shutil.copytree(repository.root, tmp_path / "copy", symlinks=True)))
    (sample,) = (copy.state_dir / "samples" / NAME).glob("*.json")
    kept: dict[str, Any] = json.loads(sample.read_text())
    kept["answers"]["units"][7] += 1.0
    sample.write_text(json.dumps(kept))
    (line,) = (copy.state_dir / "bentoml").rglob("artifact/line.csv")
    line.write_text("1,2\n")
    found = reproduce(copy, NAME, 1)
    assert (found.same_predictions, found.same_artifact, found.same_bento) == (False, False, True)
    named = {each.what: each for each in found.differences}
    assert named["prediction"].detail.startswith("1 of 200 answers differ, first in row 8: was ")
    assert (named["artifact"].where, named["artifact"].detail) == (
        "line.csv",
        "has another content",
    )
    done = subprocess.run(
        [sys.executable, "-m", "ci", "reproduce", NAME, "1", "--json"],
        cwd=copy.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["same_predictions"] is False


def test_data_comes_from_the_remote_where_the_cache_has_lost_it(
    repository: Repository, tmp_path: Path
) -> None:
    copy = Repository(Path(shutil.copytree(repository.root, tmp_path / "copy", symlinks=True)))
    table = copy.data_dir / "sales"
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "push", "-q", "tables/sales.csv"], cwd=table, check=True)
    shutil.rmtree(copy.root / ".dvc" / "cache")
    (table / "ingest.py").write_text("raise SystemExit('nothing is made again')\n")
    assert not any(Cache(copy).has(each) for each in _digests(copy))
    found = reproduce(copy, NAME, 1)
    assert (found.same_predictions, found.same_bento) == (True, True)


def test_data_that_lies_in_the_work_tree_alone_is_taken_where_it_is_the_same(
    repository: Repository, tmp_path: Path
) -> None:
    copy = Repository(Path(shutil.copytree(repository.root, tmp_path / "copy", symlinks=True)))
    shutil.rmtree(copy.root / ".dvc" / "cache")
    table = copy.data_dir / "sales" / "tables" / "sales.csv"
    for number, gone in enumerate([[], ["data/sales/tables/sales.csv"]]):
        clean = check_out_commit(copy, "HEAD", tmp_path / f"clean-{number}")
        assert bring_data(copy, clean, NAME) == gone
        table.chmod(0o644)
        table.write_text(table.read_text() + "\n")


def _digests(repository: Repository) -> list[str]:
    from ci.assets.objects import objects_of

    return [each.md5 for each in objects_of(repository, [NAME])]


def test_what_can_not_be_built_again_says_why(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="no version 7 of line; there are: 1 "):
        reproduce(repository, NAME, 7)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository.root}", str(shallow))
    git(shallow, "commit", "-q", "--amend", "-m", "another history")
    shutil.copytree(repository.state_dir, shallow / ".mlops")
    git(shallow, "reflog", "expire", "--expire=now", "--all")
    git(shallow, "update-ref", "-d", "refs/remotes/origin/main")
    git(shallow, "gc", "-q", "--prune=now")
    with pytest.raises(MlopsError) as caught:
        reproduce(Repository(shallow), NAME, 1)
    assert caught.value.code == "unknown_commit"


@pytest.mark.long
@pytest.mark.parametrize("language", ["r", "julia"])
def test_so_is_one_in_another_language(tmp_path: Path, language: str) -> None:
    found = reproduce(released(tmp_path / "repository", language), NAME, 1)
    assert (found.same_predictions, found.same_artifact, found.same_bento) == (True, True, True)
    assert whats(found) == set()
