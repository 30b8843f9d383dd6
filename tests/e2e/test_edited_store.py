"""Somebody edits the store of Bentos or the registry's database by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ci.repository import Repository
from tests.e2e.conftest import Make
from tests.e2e.test_whole_way import post, release
from tests.support.command import Done, mlops, result
from tests.support.linear import set_shrinkage
from tests.support.repositories import commit_all, git

NAME = "sales-python"
BENTO = "select value from model_version_tags where key = 'bento' and version = ?"
AS_2 = """
update model_version_tags as one set value = (
    select value from model_version_tags as two where two.key = one.key and two.version = 2
) where key in ('bento', 'digest')
"""


def two_versions(make: Make) -> Repository:
    """Version 2 is live; going back to 1 starts it again."""
    made = make("python")
    policy = made.policies_dir / "deployment.yaml"
    policy.write_text(policy.read_text().replace("warm_seconds: 3600", "warm_seconds: 0"))
    for shrinkage in (0.2, 0.0):
        set_shrinkage(made.model_dir(NAME), shrinkage)
        commit_all(made.root)
        release(made.root, NAME)
    return made


def line_of(repository: Repository, version: int) -> Path:
    """The file of the version's artifact in the store, which is made writable."""
    [bento] = told(repository, BENTO, version)
    store = repository.state_dir / "bentoml" / "bentos" / NAME / bento.partition(":")[2]
    [found] = store.rglob("line.csv")
    found.chmod(0o644)
    return found


def told(repository: Repository, sql: str, *values: object) -> list[str]:
    with closing(sqlite3.connect(repository.state_dir / "mlflow.db")) as database, database:
        return [each for (each,) in database.execute(sql, values)]


def problems(root: Path) -> list[str]:
    return [each["problem"] for each in mlops(root, "check", "--json").json]


def type_again(done: Done, root: Path) -> None:
    """What a sentence says to type, as a person does."""
    for command in done.message.partition("type: ")[2].split(" && "):
        words = command.split()
        if words[0] == "mlops":
            result(root, *words[1:])
        elif words[0] == "git":
            git(root, *words[1:])
        else:
            assert words[:2] == ["rm", "-rf"]
            assert Path(words[2]).parts[:2] == (".mlops", "bentoml")
            (root / words[2]).rename(root / "removed")


def test_a_bento_that_was_edited_is_neither_gone_back_to_nor_started_nor_judged_against(
    make: Make,
) -> None:
    repository = two_versions(make)
    root = repository.root
    url = result(root, "status")[0]["url"]
    answer = post(url, {"price": 10})
    assert problems(root) == []

    line_of(repository, 1).write_text("1000000.0,0.0\n")
    assert ["version 1 of" in each for each in problems(root)] == [True]
    refused = mlops(root, "rollback", NAME, "--json")
    assert refused.error == "damaged_bento"
    assert post(url, {"price": 10}) == answer
    type_again(refused, root)
    assert problems(root) == []
    git(root, "checkout", "-q", "HEAD", "--", "models")
    result(root, "train", NAME)

    edited = line_of(repository, 2)
    whole = edited.read_text()
    edited.write_text("1000000.0,0.0\n")
    assert ["version 2 of" in each for each in problems(root)] == [True]
    set_shrinkage(repository.model_dir(NAME), 0.01)
    result(root, "train", NAME)
    assert mlops(root, "deploy", NAME, "--json").error == "damaged_bento"
    assert post(url, {"price": 10}) == answer
    result(root, "stop", NAME)
    assert mlops(root, "start", NAME, "--json").error == "damaged_bento"
    edited.write_text(whole)
    result(root, "start", NAME)
    assert post(url, {"price": 10}) == answer
    _registry(repository, url)


def test_a_bento_that_was_edited_before_it_was_deployed_is_not_what_was_judged(make: Make) -> None:
    repository = make("python")
    root = repository.root
    result(root, "train", NAME)
    packaged = result(root, "package", NAME)
    store = repository.state_dir / "bentoml" / "bentos" / packaged["bento"].replace(":", "/")
    model = store / "src" / "model"
    predict, artifact = model / "predict.py", model / "artifact"
    predict.chmod(0o644)
    text = predict.read_text()
    for edit in ("text", "added", "gone"):
        if edit == "text":
            predict.write_text(text.replace("model[0] +", "7 + model[0] +"))
        elif edit == "added":
            (artifact / "more.csv").touch()
        else:
            (artifact / "line.csv").unlink()
        done = mlops(root, "deploy", NAME, "--json")
        assert done.error == "other_bento", edit
        assert ".mlops/bentoml" in done.message
        predict.write_text(text)
        (artifact / "more.csv").unlink(missing_ok=True)
    assert result(root, "status") == []


def _registry(repository: Repository, url: str) -> None:
    """One that names another Bento, or has lost the model, is not followed either."""
    root, answer = repository.root, post(url, {"price": 10})
    told(repository, AS_2)
    assert mlops(root, "rollback", NAME, "--json").error == "record_differs"
    assert post(url, {"price": 10}) == answer
    result(root, "registry", "rebuild")
    assert result(root, "rollback", NAME) == {"model": NAME, "from": 2, "to": 1}

    told(repository, "delete from registered_models")
    lost = mlops(root, "deploy", NAME, "--json")
    assert (lost.error, "mlops registry rebuild" in lost.message) == ("registry_unreachable", True)
