"""From a merge to a release: the reviewed candidate, the gate again, approvals, what can fail."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from ci.assets.objects import file_md5
from ci.targets.http import post
from tests.workflows.authors import Files
from tests.workflows.conftest import MakeWorld
from tests.workflows.desk import Desk
from tests.workflows.runs import Run
from tests.workflows.standin.hub import Document
from tests.workflows.world import World

MODEL = "sales-python"
PARAMS = f"models/{MODEL}/params.yaml"
ROW = {"price": 20.0, "region": "north"}


def shrink(value: float) -> dict[str, str | None]:
    """A change of the model: ``value`` 0 is the best line, 1 a flat one."""
    return {PARAMS: f"train: {{shrinkage: {value}}}\n"}


def reviewed(world: World, branch: str, files: dict[str, str | None]) -> int:
    """A pull request that has its report and its approval."""
    pull = world.open_pull(branch, files)
    run, report = world.run_pull_request(pull)
    assert (run.conclusion, report.conclusion) == ("success", "success"), run.log + report.log
    assert world.status(pull)["state"] == "success", world.report(pull)
    world.review(pull, "bob")
    return pull


def merged(world: World, *pulls: int, squash: bool = False) -> list[Run]:
    """The deployments of pull requests that are merged at once."""
    for pull in pulls:
        world.merge(pull, squash=squash)
    return world.run_push()


def state(world: World, path: str) -> dict[str, object]:
    """A file of the state branch."""
    found: dict[str, object] = json.loads(world.file(path, "mlops-state"))
    return found


def verdict_on(world: World, pull: int) -> Document:
    """What report.yml said of the model in a pull request."""
    name = f"verdict-{world.head(pull)}"
    (artifact,) = [each for each in world.github.artifacts.values() if each["name"] == name]
    with zipfile.ZipFile(artifact["file"]) as archive:
        (model,) = json.loads(archive.read("verdict.json"))["models"]
    return dict(model)


def published(world: World) -> set[str]:
    """Tags of the releases that everybody sees."""
    return {each["tag_name"] for each in world.github.releases.values() if not each["draft"]}


def deployment_issues(world: World) -> list[Document]:
    """Issues that tell of models that are not released."""
    return [each for each in world.github.issues.values() if "deployment" in each["labels"]]


def test_a_merge_releases_what_was_reviewed_and_it_answers_even_when_all_else_is_gone(
    world: World, tmp_path: Path
) -> None:
    pull = reviewed(world, "tune", shrink(0.01))
    (run,) = merged(world, pull)
    assert run.conclusion == "success", run.log
    assert "mlops host NAME" in run.summary
    release = state(world, f"released/{MODEL}.json")
    assert (release["candidate"], release["pull"], release["approvers"]) == (
        "reviewed",
        pull,
        ["bob"],
    )
    assert release["commit"] == world.main
    assert release["digest"] == verdict_on(world, pull)["bento_digest"]
    assert published(world) == {f"{MODEL}/v1", "data-store"}
    assert "/v1) is released" in run.summary
    assert deployment_issues(world) == []

    world.drop_caches()
    world.expire_artifacts()
    desk = Desk(world, tmp_path / "desk")
    restored = desk.json("restore", MODEL)
    assert restored["released"] == [{"model": MODEL, "version": 1, "tag": f"{MODEL}/v1"}]
    assert restored["lost"] == []
    table = "data/sales/tables/sales.csv"
    assert file_md5(desk.root / table) == release["data"][table]  # type: ignore[index]
    try:
        (service,) = desk.json("start", MODEL)["started"]
        status, answer = post(service["url"], {"rows": [ROW]})
    finally:
        desk.run("stop")
    assert (status, len(answer["predictions"])) == (200, 1)
    assert abs(answer["predictions"][0] - 340) < 10

    world.commit({"README.md": "Only words\n"})
    (run,) = world.run_push()
    assert run.ran() == ["plan", "Settle"]
    assert state(world, "deployed.json")["commit"] == world.main


def test_a_candidate_that_expired_and_one_judged_without_the_other_merge_are_made_again(
    world: World,
) -> None:
    first = reviewed(world, "one", shrink(0.02))
    world.expire_artifacts()
    train = f"models/{MODEL}/train.py"
    second = reviewed(world, "two", {train: f"# Clearer.\n{world.file(train)}\n"})
    runs = merged(world, first, second)
    assert [run.conclusion for run in runs] == ["success", "success"], runs[-1].log
    assert f"training again, since #{first}: its verdict has expired" in runs[0].log
    assert f"training again, since #{second}: main is not what was judged" in runs[1].log
    releases = [state(world, f"versions/{MODEL}/{number}.json") for number in (1, 2)]
    assert [each["candidate"] for each in releases] == ["trained again", "trained again"]
    assert [each["pull"] for each in releases] == [first, second]
    assert releases[1]["commit"] == world.main
    assert published(world) == {f"{MODEL}/v1", f"{MODEL}/v2", "data-store"}


def knocked(world: World, folder: Path) -> Path:
    """A machine that runners reach, whose host serves the first release and nothing later."""
    folder.mkdir()
    (folder / "host_key").write_text("ssh-ed25519 AAAA")
    (folder / "key").write_text("the key\n")
    served = {"should": 1, "version": 1, "state": "running"}
    for number, models in enumerate([{MODEL: served}, {"sales-other": {"should": 1}}], 1):
        told = {"name": "shop-1", "at": "now", "models": models}
        (folder / f"told-{number}").write_text(json.dumps(told))
    (folder / "command").write_text(f"cd {folder} && cat told-$(wc -l < asked)")
    world.runner.environment["STANDIN_SSH"] = str(folder)
    world.secrets["HOSTS_SSH_KEY"] = "the key"
    world.variables.update(
        HOSTS_SSH="mlops@shop.example", HOSTS_SSH_KNOWN="shop.example ssh-ed25519 AAAA"
    )
    return folder


def test_three_merges_of_which_one_run_is_dropped_lose_nothing_and_hosts_are_asked(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world({MODEL: "python", "sales-other": "python"})
    machine = knocked(world, tmp_path / "machine")
    other = "models/sales-other/params.yaml"
    changes: list[Files] = [
        shrink(0.01),
        {other: "train: {shrinkage: 0.01}\n"},
        {"README.md": "Words\n"},
    ]
    opened = [world.open_pull(f"change-{number}", each) for number, each in enumerate(changes)]
    for pull in opened:
        world.review(pull, "bob")
    first, dropped, last = merged(world, *opened, squash=True)
    assert (first.ran()[1], dropped.conclusion) == (f"Stage {MODEL}", "cancelled")
    assert first.conclusion == "success", first.log
    assert f"| shop-1 | {MODEL} | version 1 | running |" in first.summary
    assert last.ran() == ["plan", "Stage sales-other", "Release", "Hosts", "Settle"], last.log
    assert (last.conclusion, last.job("release").conclusion) == ("failure", "success")
    said = "shop-1 runs nothing of sales-other, and should run 1."
    assert said in last.summary
    assert said in [each["message"] for each in last.annotations]
    assert (machine / "asked").read_text().splitlines() == ["mlops@shop.example 22"] * 2
    assert "the key" not in first.log + last.log
    assert published(world) == {f"{MODEL}/v1", "sales-other/v1", "data-store"}
    assert state(world, "released/sales-other.json")["approvers"] == ["bob"]
    assert state(world, "deployed.json") == {
        "commit": world.main,
        "at": state(world, "deployed.json")["at"],
        "owed": {},
        "events_head": state(world, "deployed.json")["events_head"],
    }


def test_without_the_right_approvals_nothing_is_trained_or_released(world: World) -> None:
    own = world.open_pull("own", shrink(0.01), author="alice")
    world.review(own, "alice")
    (run,) = merged(world, own)
    assert run.conclusion == "failure"
    assert "0 of 1 approvals" in run.summary
    assert "Once somebody else has approved the pull request" in run.summary
    assert "running its pipeline" not in run.log

    late = world.open_pull("late", shrink(0.02), author="alice")
    world.review(late, "bob")
    world.push(late, shrink(0.03))
    (run,) = merged(world, late)
    assert run.conclusion == "failure"
    assert "approved an older commit" in run.summary
    (issue,) = deployment_issues(world)
    assert issue["state"] == "open"
    assert published(world) == set()

    run = world.dispatch("deploy.yml", {"model": MODEL}, actor="bob")
    assert run.conclusion == "success", run.log
    assert state(world, f"released/{MODEL}.json")["approvers"] == ["bob"]
    assert issue["state"] == "closed"


def test_a_failed_deployment_leaves_the_old_version_and_a_rollback_stays(
    world: World, tmp_path: Path
) -> None:
    world.github.collaborators = {"alice": "admin"}
    world.commit(shrink(0.01))
    (run,) = world.run_push()
    assert run.conclusion == "success", run.log
    assert state(world, f"released/{MODEL}.json")["version"] == 1

    world.commit(shrink(0.02))
    world.github.fail_next("POST", "/assets", 403, message="Forbidden")
    (run,) = world.run_push()
    assert (run.conclusion, run.job("release").conclusion) == ("failure", "failure")
    assert state(world, f"released/{MODEL}.json")["version"] == 1
    assert published(world) == {f"{MODEL}/v1", "data-store"}
    assert len(deployment_issues(world)) == 1, run.log
    (issue,) = deployment_issues(world)
    assert "Forbidden" in issue["body"]

    world.commit({"README.md": "Words\n"})
    (run,) = world.run_push()
    assert run.conclusion == "success", run.log
    assert state(world, f"released/{MODEL}.json")["version"] == 2
    assert issue["state"] == "closed"

    given = {"model": MODEL, "reason": "It forgets the north"}
    run = world.dispatch("rollback.yml", given, actor="alice")
    assert run.conclusion == "success", run.log
    assert state(world, f"released/{MODEL}.json")["version"] == 1
    reverts = [each for each in world.github.pulls.values() if each["state"] == "open"]
    assert len(reverts) == 1, run.summary
    assert world.github.dispatches[-1]["inputs"] == {"pull": str(reverts[0]["number"])}
    desk = Desk(world, tmp_path / "desk")
    (row,) = desk.json("restore", MODEL, "--no-data")["released"]
    assert row["version"] == 1
    (shown,) = desk.json("status")
    assert (shown["version"], shown["state"], shown["url"]) == (1, "released", None)

    world.commit({"README.md": "More words\n"})
    (run,) = world.run_push()
    assert run.ran() == ["plan", "Settle"]
    assert "stays at version 1" in run.summary
    world.merge(reverts[0]["number"])
    (run,) = world.run_push()
    assert run.ran() == ["plan", "Settle"]
    assert world.file(PARAMS) == "train: {shrinkage: 0.01}"
    pins = world.github.git("ls-tree", "-r", "--name-only", "mlops-state", "pins/")
    assert pins == ""
