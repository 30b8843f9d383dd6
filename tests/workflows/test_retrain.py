"""Retraining from its reason to a pull request that is judged, and what keeps it from a storm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.support.linear import write_sales
from tests.workflows.runs import Run
from tests.workflows.standin.hub import BOT
from tests.workflows.world import World

NAME, BRANCH = "sales-python", "retrain/sales-python"
PARAMS, LOCK = f"models/{NAME}/params.yaml", "data/sales/dvc.lock"
WINDOW = {
    "dataset": "sales",
    "table": "sales",
    "column": "day",
    "parameters": {"split.train_before": -39, "split.holdout_before": -19},
}


def retrained(world: World, **rules: object) -> None:
    """A model whose split follows the data, with ``rules`` for its retraining."""
    folder = f"models/{NAME}"
    script = world.file(f"{folder}/train.py")
    for position, name in (("20", "train_before"), ("40", "holdout_before")):
        script = script.replace(f"days[{position}]", name)
    script = script.replace("days = ", "train_before, holdout_before = sys.argv[2:]\ndays = ")
    pipeline = yaml.safe_load(world.file(f"{folder}/dvc.yaml"))
    pipeline["stages"]["train"]["cmd"] += " ${split.train_before} ${split.holdout_before}"
    contract = yaml.safe_load(world.file(f"{folder}/model.yaml"))
    contract["retraining"] = {"window": WINDOW, **rules}
    world.commit(
        {
            f"{folder}/train.py": script,
            f"{folder}/dvc.yaml": yaml.safe_dump(pipeline),
            f"{folder}/model.yaml": yaml.safe_dump(contract, sort_keys=False),
            PARAMS: "train: {shrinkage: 0.0}\n"
            "split: {train_before: '2026-01-21', holdout_before: '2026-02-10'}  # moves\n",
        }
    )


def more_days(world: World, days: int) -> None:
    """From now on the source of the data has so many days; what is recorded are sixty."""
    script = world.file("data/sales/ingest.py")
    old = next(line for line in script.splitlines() if line.startswith("STORES, DAYS"))
    world.commit({"data/sales/ingest.py": script.replace(old, f"STORES, DAYS = 30, {days}")})


def ask(world: World, reason: str = "new prices") -> Run:
    run = world.dispatch("retrain.yml", {"model": NAME, "reason": reason})
    assert run.conclusion == "success", run.log
    return run


def later(world: World, days: int) -> None:
    """All that was opened is so many days older."""
    for pull in world.github.pulls.values():
        when = datetime.fromisoformat(pull["created_at"]) - timedelta(days=days)
        pull["created_at"] = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        pull["body"] = (pull["body"] or "").partition("-->")[2]


@pytest.mark.long
def test_without_newer_data_nothing_is_opened(world: World) -> None:
    retrained(world)
    run = ask(world)
    assert "Nothing would change" in run.summary
    assert world.github.pulls == {}
    assert "retrain" not in world.github.git("branch", "--list")


def test_newer_data_becomes_a_pull_request_that_is_judged_like_any_other(world: World) -> None:
    retrained(world)
    more_days(world, 70)
    run = ask(world, "prices <b>rose</b>, see #7 @everybody")
    (pull,) = world.github.pulls.values()
    assert (pull["author"], pull["head_ref"], pull["base_ref"]) == (BOT, BRANCH, "main")
    assert pull["title"] == f"Retrain {NAME} on data up to 2026-03-11"
    assert "alice asked for it: prices &lt;b&gt;rose&lt;/b&gt;, see #7" in pull["body"].replace(
        "@\u200b", ""
    )
    assert "@everybody" not in pull["body"]
    changed = world.github.git("diff", "--name-only", "main", BRANCH).split()
    assert sorted(changed) == sorted([LOCK, PARAMS])
    params = world.file(PARAMS, BRANCH)
    split = {"train_before": "2026-01-31", "holdout_before": "2026-02-20"}
    assert yaml.safe_load(params)["split"] == split
    assert "# moves" in params
    assert "2026-03-11" in run.summary

    (checks,) = world.run_dispatched()
    assert checks.conclusion == "success", checks.log
    assert checks.ran() == ["plan", NAME]
    world.run_report(checks, "requested")
    world.run_report(checks, "completed")
    assert world.status(pull["number"])["state"] == "success"

    again = ask(world)
    assert "is open with just this change" in again.summary
    assert len(world.github.pulls) == 1
    assert world.github.dispatches == []


@pytest.mark.long
def test_a_declared_source_is_read_anew_and_its_rows_are_part_of_it(
    world: World, tmp_path: Path
) -> None:
    share, record = tmp_path / "share", "data/sales/tables/sales.csv.dvc"
    share.mkdir()
    write_sales(share / "sales.csv")
    retrained(world)
    contract = yaml.safe_load(world.file("data/sales/dataset.yaml"))
    contract["refresh"] = {"source": {"folder": str(share)}}
    stage = dict.fromkeys(f"data/sales/{name}" for name in ("dvc.yaml", "dvc.lock", "ingest.py"))
    world.commit({**stage, "data/sales/dataset.yaml": yaml.safe_dump(contract, sort_keys=False)})
    header, *lines = (share / "sales.csv").read_text().splitlines()
    later = [line.replace("2026-01-0", "2026-03-1") for line in lines if "2026-01-0" in line]
    (share / "sales.csv").write_text("\n".join([header, *lines, *later, ""]))
    ask(world)
    (pull,) = world.github.pulls.values()
    assert pull["title"] == f"Retrain {NAME} on data up to 2026-03-19"
    assert "2,070 rows" in pull["body"]
    changed = world.github.git("diff", "--name-only", "main", BRANCH).split()
    assert sorted(changed) == [record, PARAMS]
    (checks,) = world.run_dispatched()
    assert checks.conclusion == "success", "the rows are stored where its checks find them"
    assert "is open with just this change" in ask(world).summary


@pytest.mark.long
def test_the_open_one_is_brought_up_to_date_and_never_doubled(world: World) -> None:
    retrained(world)
    more_days(world, 70)
    ask(world)
    more_days(world, 75)
    run = ask(world, "more data")
    (pull,) = world.github.pulls.values()
    assert "has data up to 2026-03-16 now" in run.summary
    assert pull["title"].endswith("2026-03-16")
    assert "more data" in pull["body"]
    assert len(world.github.dispatches) == 2


def test_by_itself_it_cools_down_and_keeps_its_budget(world: World) -> None:
    retrained(world, triggers=["data"])
    more_days(world, 70)
    world.commit({LOCK: world.file(LOCK) + "\n# touched\n"})
    first = world.schedule("retrain.yml")
    assert first.conclusion == "success", first.log
    (pull,) = world.github.pulls.values()
    assert "new data since" in pull["body"]

    more_days(world, 80)
    world.commit({LOCK: world.file(LOCK) + "\n# touched again\n"})
    second = world.schedule("retrain.yml")
    assert "cools down until" in second.summary
    assert len(world.github.pulls) == 1
    assert pull["title"].endswith("2026-03-11")

    later(world, 8)
    policy = world.file("policies/retraining.yaml").replace("pull_requests: 6", "pull_requests: 1")
    world.commit({"policies/retraining.yaml": policy})
    third = world.schedule("retrain.yml")
    assert "are the whole budget" in third.summary
    assert pull["title"].endswith("2026-03-11")


@pytest.mark.long
@pytest.mark.parametrize(
    ("title", "said"),
    [
        (f"Drift in {NAME}: price (kolmogorov smirnov)", "drift: #1"),
        (f"Drift in {NAME}: realised mae", "performance below policy: #1"),
    ],
)
def test_an_open_drift_issue_asks_for_it(world: World, title: str, said: str) -> None:
    retrained(world, triggers=["drift", "performance"])
    more_days(world, 70)
    body = f"<!-- kronkers drift/{NAME}/0123456789ab -->\nIt drifted."
    assert world.open_issue(title, body, author=BOT, labels=("drift",)) == 1
    stranger = f"<!-- kronkers drift/{NAME}/ffffffffffff -->\nMine."
    world.open_issue(title, stranger, author="carol", labels=("drift",))
    world.github.issues[1]["updated_at"] = "2026-01-01T00:00:00Z"
    assert "nothing asks for it" in world.schedule("retrain.yml").summary, "it was asked for then"
    world.github.issues[1]["updated_at"] = world.github.issues[1]["created_at"]
    run = world.schedule("retrain.yml")
    assert run.conclusion == "success", run.log
    (pull,) = world.github.pulls.values()
    assert f"**Why**: {said}.\n" in pull["body"]


@pytest.mark.long
def test_where_actions_may_open_none_the_summary_has_the_link(world: World) -> None:
    retrained(world)
    more_days(world, 70)
    world.github.fail_next(
        "POST", "/pulls", 403, message="GitHub Actions is not permitted to create"
    )
    run = ask(world)
    assert f"/compare/main...{BRANCH}?expand=1)" in run.summary
    assert world.github.git("rev-parse", BRANCH)


@pytest.mark.long
def test_with_an_app_the_checks_start_by_themselves(world: World) -> None:
    world.variables["APP_ID"] = "12345"
    world.secrets["APP_PRIVATE_KEY"] = "a key"
    retrained(world)
    more_days(world, 70)
    ask(world)
    (pull,) = world.github.pulls.values()
    assert pull["author"] != BOT
    assert world.github.dispatches == []
    assert world.begin_pull_request(pull["number"]).conclusion is None
