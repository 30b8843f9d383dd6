"""New data by the clock, by an upload and by hand: one pull request a dataset, or nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from ci.assets.data_releases import InReleases
from ci.assets.objects import file_md5
from tests.support.linear import write_sales
from tests.workflows.runs import Run
from tests.workflows.standin import Token
from tests.workflows.standin.hub import BOT, Document
from tests.workflows.standin.job import job_client
from tests.workflows.world import World

NAME, BRANCH = "sales-python", "data/sales"
CONTRACT = "data/sales/dataset.yaml"
RECORD = "data/sales/tables/sales.csv.dvc"
STAGE = dict.fromkeys(f"data/sales/{name}" for name in ("dvc.yaml", "dvc.lock", "ingest.py"))
INCOMING = "data/sales/incoming"


@pytest.fixture
def table(world: World, tmp_path: Path) -> list[list[str]]:
    """The rows of the dataset, which no stage makes here: somebody has pushed them."""
    file = tmp_path / "sales.csv"
    write_sales(file)
    md5 = file_md5(file)
    world.github.tokens["person"] = Token("alice", {"contents": "write"})
    person = job_client(world.github, "person", tmp_path)
    InReleases(person).add(md5, file, "main")
    out = {"md5": md5, "size": file.stat().st_size, "hash": "md5", "path": "sales.csv"}
    world.commit({**STAGE, RECORD: yaml.safe_dump({"outs": [out]})})
    world.pushes.clear()
    return list(csv.reader(file.open(newline="")))


def read_from(world: World, folder: Path | str, **rules: object) -> None:
    """Let the dataset's new rows come from ``folder``."""
    contract = yaml.safe_load(world.file(CONTRACT))
    contract["refresh"] = {"source": {"folder": str(folder)}, **rules}
    world.commit({CONTRACT: yaml.safe_dump(contract, sort_keys=False)})
    world.pushes.clear()


def days(table: list[list[str]], *numbers: int, price: float = 20.0) -> str:
    """Thirty stores' rows of January days after those of ``table``, as CSV."""
    rows = [
        [store, "north", f"2026-03-{number:02}", str(price), "300"]
        for number in numbers
        for store in dict.fromkeys(row[0] for row in table[1:])
    ]
    return "".join(",".join(row) + "\n" for row in [table[0], *rows])


def text(rows: list[list[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in rows)


def the_pull(world: World) -> Document:
    (pull,) = world.github.pulls.values()
    return pull


def version(world: World, ref: str = BRANCH) -> Document:
    """What DVC has recorded of the table."""
    (out,) = yaml.safe_load(world.file(RECORD, ref))["outs"]
    return dict(out)


def read(world: World) -> Run:
    run = world.schedule("data.yml")
    assert run.conclusion == "success", run.log
    return run


def test_new_rows_are_one_pull_request_that_is_trained_from_what_was_stored(
    world: World, table: list[list[str]], tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    read_from(world, share, mode="append")
    (share / "march.csv").write_text(days(table, 10, 11))
    run = read(world)
    assert run.ran() == ["Which datasets are due", "Read sales"]
    pull = the_pull(world)
    assert (pull["author"], pull["head_ref"], pull["base_ref"]) == (BOT, BRANCH, "main")
    assert pull["title"] == "New data in sales: +60 rows"
    assert "1,860 rows, +60 since the version before" in pull["body"]
    assert "`day`: range 2026-01-01 00:00:00 to 2026-03-01 00:00:00, now" in pull["body"]
    assert world.github.git("diff", "--name-only", "main", BRANCH) == RECORD

    # No stage makes the table, no cache has it and no secret is set: a release holds its bytes.
    world.drop_caches()
    (checks,) = world.run_dispatched()
    assert checks.conclusion == "success", checks.log
    assert checks.ran() == ["plan", NAME]
    assert f"bringing {version(world)['md5']}" in checks.log
    world.run_report(checks, "completed")
    assert world.status(pull["number"])["state"] == "success"


@pytest.mark.long
def test_what_waits_to_be_merged_is_not_lost_when_the_source_moves_on(
    world: World, table: list[list[str]], tmp_path: Path
) -> None:
    file = tmp_path / "share" / "week.csv"
    file.parent.mkdir()
    read_from(world, file.parent, mode="append")
    file.write_text(days(table, 10))
    read(world)
    file.write_text(days(table, 11, price=30))
    assert "has this version now" in read(world).summary
    pull = the_pull(world)
    assert "1,860 rows, +60 since the version before" in pull["body"]
    assert pull["title"] == "New data in sales: +60 rows"
    world.run_dispatched()
    assert "is open with just this version" in read(world).summary
    assert world.github.dispatches == []
    world.merge(pull["number"])
    assert "holds what is here already" in read(world).summary
    assert len(world.github.pulls) == 1
    file.write_text(days(table, 12))
    read(world)
    assert len(world.github.pulls) == 2
    assert "1,890 rows, +30 since" in world.github.pulls[pull["number"] + 1]["body"]


@pytest.mark.long
def test_it_is_closed_when_the_source_is_as_before_and_not_asked_twice(
    world: World, table: list[list[str]], tmp_path: Path
) -> None:
    file = tmp_path / "share" / "all.csv"
    file.parent.mkdir()
    read_from(world, file.parent)
    file.write_text(text(table[:-1]))
    read(world)
    pull = the_pull(world)
    assert pull["title"] == "New data in sales: -1 rows"
    file.write_text(text(table))
    read(world)
    assert pull["state"] == "closed"
    (said,) = (each["body"] for each in world.comments(pull["number"]))
    assert "there is nothing to merge" in said

    file.write_text(text(table[:-2]))
    read(world)
    second = world.github.pulls[pull["number"] + 1]
    second["state"] = world.github.issues[second["number"]]["state"] = "closed"  # by a person
    assert "was closed, so that none is opened" in read(world).summary
    assert len(world.github.pulls) == 2
    by_hand = world.dispatch("data.yml", {"dataset": "sales"})
    assert by_hand.conclusion == "success", by_hand.log
    assert len(world.github.pulls) == 3


@pytest.mark.long
def test_an_upload_in_a_browser_is_read_at_once_and_may_be_the_first_version(
    world: World, tmp_path: Path
) -> None:
    world.commit({**STAGE, "data/sales/tables/.gitignore": None})
    read_from(world, INCOMING, mode="append")
    assert f"nothing lies in {INCOMING}" in read(world).summary
    write_sales(tmp_path / "sales.csv")
    plain = (tmp_path / "sales.csv").read_text()
    excel = plain.replace(",", ";").replace(".", ",").replace("\n", "\r\n")
    pull = world.open_pull("upload", {f"{INCOMING}/sales.csv": excel}, author="bob")
    checks = world.finish(world.begin_pull_request(pull))
    assert checks.ran() == ["plan"], "what is not read yet trains no model"
    world.merge(pull)
    (run,) = world.run_push("data.yml")
    assert run.conclusion == "success", run.log
    asked = world.github.pulls[pull + 1]
    assert asked["title"] == "New data in sales: 1,800 rows"
    changed = world.github.git("diff", "--name-only", "main", BRANCH).split()
    assert changed == ["data/sales/tables/.gitignore", RECORD]
    (checks,) = world.run_dispatched()
    assert checks.conclusion == "success", checks.log
    assert checks.ran() == ["plan", NAME]


@pytest.mark.long
def test_bad_rows_fail_the_run_and_ask_for_nothing(
    world: World, table: list[list[str]], tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "bad.csv").write_text(days(table, 10).replace("north", "nord"))
    read_from(world, share, mode="append")
    run = world.schedule("data.yml")
    assert run.conclusion == "failure"
    (said,) = (each["message"] for each in run.annotations)
    assert "The new rows were refused: Bad data in sales/sales, column region: 30 rows" in said
    assert world.github.pulls == {}
    assert "data/sales" not in world.github.git("branch", "--list")
    asked = world.dispatch("data.yml", {"dataset": "sails"})
    assert asked.conclusion == "failure"
    assert "did you mean sales" in asked.log
