"""The issue form: a folder, a pull request, and checks that turn green."""

from __future__ import annotations

import pytest
import yaml

from ci.scaffold.form import EMPTY, LABELS
from tests.workflows.runs import Run
from tests.workflows.standin.hub import BOT
from tests.workflows.world import World

GOOD = {
    "name": "units-sold",
    "language": "Python",
    "owner": "procurement",
    "dataset": "sales",
    "target": "units",
    "description": "Units that a store sells on a day; $(touch /tmp/x) `id` @kronkers <b>x</b>",
}
BRANCH = "new-model/units-sold-1"


def ask(world: World, author: str = "alice", **changes: str) -> tuple[int, Run]:
    """Open an issue with the form filled in, and run what it starts."""
    answers = {**GOOD, **changes}
    body = "\n\n".join(f"### {label}\n\n{answers[key]}" for key, label in LABELS.items())
    number = world.open_issue("New model: x", body, author=author)
    return number, world.run_issue("new-model.yml", number, "opened")


def test_a_form_becomes_a_pull_request_that_turns_green(world: World) -> None:
    number, run = ask(world)
    assert run.conclusion == "success", run.log
    (pull,) = world.github.pulls.values()
    assert (pull["author"], pull["head_ref"], pull["base_ref"]) == (BOT, BRANCH, "main")
    (comment,) = world.comments(number)
    assert comment["body"] == f"Pull request #{pull['number']} with models/units-sold is open."

    changed = world.github.git("diff", "--name-only", "main", BRANCH).splitlines()
    assert ".github/CODEOWNERS" in changed
    assert all(name.startswith("models/units-sold/") for name in changed if name[0] != ".")
    assert "/models/units-sold/" in world.file(".github/CODEOWNERS", BRANCH)
    contract = world.file("models/units-sold/model.yaml", BRANCH)
    assert "owner: procurement" in contract

    (checks,) = world.run_dispatched()
    assert checks.conclusion == "success", checks.log
    assert checks.ran() == ["plan", "units-sold"]
    world.run_report(checks, "requested")
    world.run_report(checks, "completed")
    status = world.status(pull["number"])
    assert status["state"] == "success", status
    assert "units-sold" in world.report(pull["number"])


def test_an_edited_issue_keeps_its_pull_request(world: World) -> None:
    number, _ = ask(world)
    (pull,) = world.github.pulls.values()
    before = world.head(pull["number"])
    run = world.run_issue("new-model.yml", number, "edited")
    assert run.conclusion == "success", run.log
    assert "was opened before" in run.summary
    assert world.head(pull["number"]) == before
    assert (
        len(world.github.pulls) == len(world.comments(number)) == len(world.github.dispatches) == 1
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": "sale"}, "did you mean sales?"),
        ({"target": EMPTY}, "units"),
        ({"owner": "procurment"}, "did you mean 'procurement'?"),
        (
            {"name": "x\n\n::add-mask::x\n\n![](https://evil.example) @alice <img src=x>"},
            "can't name",
        ),
    ],
)
def test_a_bad_answer_is_answered_in_one_sentence(
    world: World, changes: dict[str, str], said: str
) -> None:
    number, run = ask(world, **changes)
    assert run.conclusion == "success", run.log
    (comment,) = world.comments(number)
    assert said in comment["body"].replace("\\", "")
    assert "\n" not in comment["body"]
    assert "@alice" not in comment["body"]
    assert "<img" not in comment["body"]
    assert "](https://evil" not in comment["body"]
    assert world.github.pulls == {}
    assert "new-model" not in world.github.git("branch", "--list")


def test_whoever_may_not_write_is_told_so(world: World) -> None:
    number, run = ask(world, author="mallory")
    assert run.conclusion == "success", run.log
    (comment,) = world.comments(number)
    assert comment["body"].startswith("Only people who may write to this repository")
    assert world.github.pulls == {}


def test_where_actions_may_open_no_pull_request_the_answer_is_the_link(world: World) -> None:
    world.github.fail_next(
        "POST", "/pulls", 403, message="GitHub Actions is not permitted to create"
    )
    number, run = ask(world)
    assert run.conclusion == "success", run.log
    (comment,) = world.comments(number)
    assert f"/compare/main...{BRANCH}?expand=1)" in comment["body"]
    assert world.github.git("rev-parse", BRANCH)
    assert world.github.dispatches == []


def test_with_an_app_its_pull_request_starts_the_checks_by_itself(world: World) -> None:
    world.variables["APP_ID"] = "12345"
    world.secrets["APP_PRIVATE_KEY"] = "a key"
    number, run = ask(world)
    assert run.conclusion == "success", run.log
    (pull,) = world.github.pulls.values()
    assert pull["author"] != BOT
    assert world.github.dispatches == []
    assert len(world.comments(number)) == 1
    checks = world.begin_pull_request(pull["number"])
    assert checks.conclusion is None


def test_a_platform_that_fails_says_so_and_the_run_is_red(world: World) -> None:
    world.github.fail_next("POST", "/pulls", 422, message="Validation Failed")
    number, run = ask(world)
    assert run.conclusion == "failure"
    (comment,) = world.comments(number)
    assert "See [the run](" in comment["body"]


def test_data_that_only_somebody_s_machine_has_is_asked_for(world: World) -> None:
    tracked = {"outs": [{"md5": "0" * 32, "size": 9, "hash": "md5", "path": "visits.csv"}]}
    columns = {"x": {"type": "number"}, "y": {"type": "number"}}
    dataset = {
        **yaml.safe_load(world.file("data/sales/dataset.yaml")),
        "name": "visits",
        "tables": {"visits": {"file": "tables/visits.csv", "columns": columns}},
    }
    world.commit(
        {
            "data/visits/dataset.yaml": yaml.safe_dump(dataset),
            "data/visits/tables/visits.csv.dvc": yaml.safe_dump(tracked),
        }
    )
    number, run = ask(world, dataset="visits", target="y")
    assert run.conclusion == "success", run.log
    (comment,) = world.comments(number)
    assert "mlops data push visits" in comment["body"]
    assert world.github.pulls == {}
