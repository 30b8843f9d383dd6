"""The clock: batches once, drift as issues that come and go."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.support.linear import DAYS, STORES
from tests.workflows.standin.hub import BOT, Document
from tests.workflows.world import World

MODEL = "sales-python"
OTHER = "other-python"
LEDGER = f"batch/{MODEL}.json"
ANALYSIS_ROWS = STORES * (DAYS - 40)


@pytest.fixture(scope="module")
def released(
    templates: Callable[[dict[str, str]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A repository with two models in production, of which one is monitored."""
    models = {MODEL: "python", OTHER: "python"}
    with World(tmp_path_factory.mktemp("released"), templates(models)) as world:
        other = yaml.safe_load(world.file(f"models/{OTHER}/model.yaml"))
        del other["monitoring"]
        changes = {
            f"models/{MODEL}/params.yaml": "train: {shrinkage: 0.01}\n",
            f"models/{OTHER}/model.yaml": yaml.safe_dump(other, sort_keys=False),
        }
        everybody, world.github.collaborators = world.github.collaborators, {"alice": "admin"}
        world.commit(changes)
        (run,) = world.run_push()
        world.github.collaborators = everybody
        assert run.conclusion == "success", run.log
        yield world
    assert world.github.problems == []


def edit_state(world: World, path: str, content: object) -> None:
    """Commit a file to the state branch."""
    git = world.github.git
    blob = git("hash-object", "-w", "--stdin", stdin=json.dumps(content))
    parent = git("rev-parse", "refs/heads/mlops-state")
    git("read-tree", "refs/heads/mlops-state")
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    commit = git("commit-tree", git("write-tree"), "-p", parent, "-m", "Edited")
    git("update-ref", "refs/heads/mlops-state", commit)


def ledger(world: World) -> list[Document]:
    found: list[Document] = json.loads(world.file(LEDGER, "mlops-state"))["entries"]
    return found


def assets(world: World, ending: str = ".csv.gz") -> list[Document]:
    """Files of predictions that are published, or those with another ``ending``."""
    wanted = {e["id"] for e in world.github.releases.values() if "/batch-" in e["tag_name"]}
    found = [each for each in world.github.assets.values() if each["release"] in wanted]
    return [each for each in found if each["name"].endswith(ending)]


def test_a_new_repository_has_nothing_to_score_or_to_watch(world: World) -> None:
    for workflow, job in (("batch.yml", "due"), ("drift.yml", "watched")):
        run = world.schedule(workflow)
        assert run.conclusion == "success", run.log
        assert len(run.ran()) == 1
        assert run.job(job).outputs["count"] == "0"
        assert "never released" in run.summary


def test_a_batch_twice_changes_nothing_the_second_time(released: World) -> None:
    first = released.dispatch("batch.yml", {"model": MODEL})
    assert first.conclusion == "success", first.log
    assert f"{ANALYSIS_ROWS:,} rows scored by version 1" in first.summary
    (entry,) = ledger(released)
    (asset,) = assets(released)
    today = datetime.now(UTC).date().isoformat()
    assert (entry["day"], entry["version"], entry["rows"]) == (today, 1, ANALYSIS_ROWS)
    assert asset["name"] == entry["asset"]
    content = asset["file"].read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["digest"]
    lines = gzip.decompress(content).decode().splitlines()
    assert lines[0].replace('"', "").endswith(",units")
    assert len(lines) == 1 + ANALYSIS_ROWS
    run = entry["asset"].removesuffix(".csv.gz")
    for ending in (".html", ".xlsx"):
        assert [each["name"] for each in assets(released, ending)] == [f"{run}.report{ending}"]

    state = released.github.git("rev-parse", "mlops-state")
    second = released.dispatch("batch.yml", {"model": MODEL})
    assert second.conclusion == "success", second.log
    assert f"unchanged: version 1 scored this input for {today} before" in second.summary
    third = released.schedule("batch.yml")
    assert third.ran() == ["Which models are due"]
    assert len(assets(released)) == 1
    assert released.github.git("rev-parse", "mlops-state") == state


def test_shards_side_by_side_are_one_file(released: World, tmp_path: Path) -> None:
    (whole,) = assets(released)
    content = whole["file"].read_bytes()
    del released.github.assets[whole["id"]]
    edit_state(released, LEDGER, {"entries": []})
    path = f"models/{MODEL}/model.yaml"
    text = released.file(path)
    rules = yaml.safe_load(text)
    delivery = {"folder": str(tmp_path / "share")}
    rules["batch"] |= {"shards": 2, "delivery": delivery}
    released.commit({path: yaml.safe_dump(rules, sort_keys=False)})
    run = released.dispatch("batch.yml", {"model": MODEL})
    released.commit({path: text})
    assert run.conclusion == "success", run.log
    for job in (f"Score {MODEL} 1/2", f"Score {MODEL} 2/2", f"Merge the shards of {MODEL}"):
        assert run.job(job).conclusion == "success"
    (entry,) = ledger(released)
    (merged,) = assets(released)
    assert entry["rows"] == ANALYSIS_ROWS
    assert merged["file"].read_bytes() == content
    assert (tmp_path / "share" / entry["asset"]).read_bytes() == content


def test_a_dropped_schedule_is_caught_up_once_for_its_day(released: World) -> None:
    version = json.loads(released.file(f"versions/{MODEL}/1.json", "mlops-state"))
    edit_state(
        released,
        f"versions/{MODEL}/1.json",
        {**version, "released_at": "2026-01-01T00:00:00+00:00"},
    )
    edit_state(released, LEDGER, {"entries": []})
    run = released.schedule("batch.yml")
    assert run.conclusion == "success", run.log
    (entry,) = ledger(released)
    assert datetime.fromisoformat(entry["day"]).isoweekday() == 1  # the contract says Mondays
    again = released.schedule("batch.yml")
    assert again.ran() == ["Which models are due"]
    assert ledger(released) == [entry]


def test_a_batch_that_was_cut_off_is_finished_by_the_next(released: World) -> None:
    edit_state(released, LEDGER, {"entries": []})
    before = [each["name"] for each in assets(released)]
    released.github.fail_next("POST", "git-receive-pack", 403, times=8, message="Denied")
    broken = released.dispatch("batch.yml", {"model": MODEL})
    assert broken.job("publish").conclusion == "failure"
    assert ledger(released) == []
    released.github.faults.clear()
    released.expire_artifacts()
    released.drop_caches()
    run = released.dispatch("batch.yml", {"model": MODEL})
    assert run.conclusion == "success", run.log
    (entry,) = ledger(released)
    names = [each["name"] for each in assets(released)]
    assert entry["asset"] in names
    assert len(set(names)) == len(names) <= len(before) + 1


def test_a_model_that_is_none_is_one_sentence(released: World) -> None:
    for workflow in ("batch.yml", "drift.yml"):
        run = released.dispatch(workflow, {"model": "sales-pyton; id"})
        assert run.conclusion == "failure"
        assert "There is no model 'sales-pyton; id' in models/" in run.log


def test_a_model_that_fails_holds_up_no_other(released: World) -> None:
    for model in (MODEL, OTHER):
        path = f"versions/{model}/1.json"
        version = json.loads(released.file(path, "mlops-state"))
        edit_state(released, path, {**version, "released_at": "2026-01-01T00:00:00+00:00"})
    edit_state(released, LEDGER, {"entries": []})
    train = f"models/{OTHER}/train.py"
    whole = released.file(train)
    released.commit({train: "raise SystemExit('no data today')\n"})
    run = released.schedule("batch.yml")
    released.commit({train: f"{whole}\n"})
    assert run.conclusion == "failure"
    assert run.job(f"Score {MODEL}").conclusion == "success"
    assert run.job(f"Score {OTHER}").conclusion == "failure"
    assert run.job("publish").conclusion == "success"
    assert len(ledger(released)) == 1
    assert any("train.py" in each["message"] for each in run.annotations)


def drift_issues(world: World) -> list[Document]:
    return [each for each in world.github.issues.values() if "drift" in each["labels"]]


def count_no_change(world: World) -> None:
    policy = yaml.safe_load(world.file("policies/monitoring.yaml"))
    most = {"distance": 0.99, "share": 0.99, "reconstruction_error": 10}
    policy["alert"]["least_change"] = most
    world.commit({"policies/monitoring.yaml": yaml.safe_dump(policy)})


def history(world: World) -> list[str]:
    """The checks of the model that the state branch knows."""
    return world.file(f"drift/{MODEL}.jsonl", "mlops-state").splitlines()


def test_drift_is_one_issue_a_signal_that_closes_when_it_is_green(released: World) -> None:
    teams = yaml.safe_load(released.file("policies/access.yaml"))
    teams["teams"]["marketing"]["members"] = ["carol"]
    released.commit({"policies/access.yaml": yaml.safe_dump(teams)})
    first = released.dispatch("drift.yml")
    assert first.conclusion == "success", first.log
    found = drift_issues(released)
    titles = {each["title"] for each in found}
    assert f"Drift in {MODEL}: price (kolmogorov smirnov)" in titles
    assert len(titles) == len(found)
    (price,) = (each for each in found if ": price " in each["title"])
    assert "@carol, please have a look" in price["body"]
    assert f"artifact `drift-{MODEL}`" in price["body"]
    assert "the limit is 0." in price["body"]

    # A person closes one; a stranger opens one with the same hidden mark.
    price["state"] = "closed"
    mark = price["body"].splitlines()[0]
    decoy = released.open_issue("Mine", f"{mark}\nHands off", author="mallory", labels=("drift",))
    second = released.schedule("drift.yml")
    assert second.conclusion == "success", second.log
    assert len(history(released)) == 2, "a runner starts empty: the branch has what it forgets"
    assert price["state"] == "open"
    assert [each for each in drift_issues(released) if each["author"] == BOT] == found
    assert f"/actions/runs/{second.id}" in price["body"]

    count_no_change(released)
    third = released.dispatch("drift.yml", {"model": MODEL})
    assert third.conclusion == "success", third.log
    assert {each["state"] for each in found} == {"closed"}
    said = [each["body"] for each in released.comments(price["number"])]
    assert [words.split(",")[0].split(":")[0] for words in said] == ["Back again", "Green again"]
    assert "@carol" in said[0]
    assert released.github.issues[decoy]["state"] == "open"
    assert released.github.issues[decoy]["body"].endswith("Hands off")
    assert released.comments(decoy) == []
