"""From a pull request to its report and its status: the real workflows, to their end."""

from __future__ import annotations

import re
import zipfile
from datetime import date

import pytest
import yaml

from tests.support import linear
from tests.workflows.conftest import MakeWorld
from tests.workflows.runs import Run
from tests.workflows.world import World

THREE = {"sales-python": "python", "sales-r": "r", "sales-julia": "julia"}
PARAMS = "models/{}/params.yaml"


def shrinkage(value: float, model: str = "sales-python") -> dict[str, str | None]:
    """A change of one model: 0 is the best line, 1 is as good as the mean."""
    return {PARAMS.format(model): f"train: {{shrinkage: {value}}}\n"}


def in_order(text: str, *words: str) -> bool:
    place = 0
    for word in words:
        place = text.find(word, place) + 1
        if not place:
            return False
    return True


def end_tests(world: World, pull: int, conclusion: str) -> Run:
    """A run of platform.yml for the newest commit that ended so; its tests are not run here."""
    run = world.begin_pull_request(pull, "platform.yml")
    run.document.update(status="completed", conclusion=conclusion)
    return run


def with_waiver(world: World, expires: date) -> str:
    """The policy, with a contract of sales-python that may break its callers until a day."""
    waiver = {
        "model": "sales-python",
        "rule": "contract_compatible",
        "reason": "No department sends more than 90.",
        "owner": "marketing",
        "expires": expires,
    }
    policy = yaml.safe_load(world.file("policies/promotion.yaml"))
    return yaml.safe_dump({**policy, "waivers": [waiver]})


def test_one_of_three_models_changed_twice_has_one_job_and_one_comment(
    make_world: MakeWorld,
) -> None:
    world = make_world(THREE)
    pull = world.open_pull("tune", shrinkage(0.01))
    first = world.begin_pull_request(pull)
    world.run_report(first, "requested")
    assert world.status(pull)["state"] == "pending"
    assert "# Training 1 model" in world.report(pull)

    world.finish(first)
    assert first.ran() == ["plan", "sales-python"]
    world.run_report(first)
    report, commit = world.report(pull), world.head(pull)
    assert world.status(pull)["state"] == "success"
    assert in_order(report, "# Pass: 1 model may go live.", commit[:7], "UTC", "sales-python")
    assert "[full report](" in report
    assert "[job summary](" in report
    assert "```mermaid" in report
    assert in_order(report, "Files changed", "Review changes", "Approve")
    cost = re.search(r"This push (\d+) \(plan \d+, sales-python \d+\)", report)
    assert cost
    assert "sales-r" not in report

    world.push(pull, shrinkage(0.02))
    second = world.begin_pull_request(pull)
    world.run_report(second, "requested")
    outdated = world.report(pull)
    assert in_order(outdated, "**Outdated.**", commit[:7], world.head(pull)[:7], "# Pass")
    late = world.run_report(first)
    assert late.ran() == ["announce"]
    assert world.report(pull) == outdated
    assert world.status(pull)["state"] == "pending"
    world.finish(second)
    world.run_report(second)
    report = world.report(pull)
    assert "Outdated" not in report
    assert world.head(pull)[:7] in report
    assert f"earlier pushes {cost[1]}" in report
    assert len(world.comments(pull)) == 1


def test_a_change_of_documents_trains_nothing_and_is_ready_at_once(world: World) -> None:
    pull = world.open_pull(
        "words", {"README.md": "words\n", "models/sales-python/README.md": "x\n"}
    )
    run = world.begin_pull_request(pull)
    world.run_report(run, "requested")
    status = world.status(pull)
    assert (status["state"], status["description"]) == ("success", "No model is touched.")
    world.finish(run)
    assert run.ran() == ["plan"]
    after = world.run_report(run)
    assert after.ran() == ["announce"]
    assert world.comments(pull) == []
    assert world.status(pull)["state"] == "success"


def test_a_broken_training_shows_its_line_and_what_to_do(make_world: MakeWorld) -> None:
    world = make_world(THREE)
    broken = {
        "models/sales-python/train.py": linear.PYTHON_TRAIN.replace("TABLE", linear.TABLE)
        + "\nundefined_name + 1\n",
        "models/sales-r/train.R": linear.R_TRAIN.replace("TABLE", linear.TABLE)
        + "\nstop('no <b>prices</b> @all')\n",
        "models/sales-julia/train.jl": linear.JULIA_TRAIN.replace("TABLE", linear.TABLE)
        + '\nerror("no units")\n',
    }
    lines = {path.split("/")[1]: text.count("\n") for path, text in broken.items()}
    pull = world.open_pull("broken", broken)
    run, report = world.run_pull_request(pull)
    assert report.conclusion == "success"
    assert world.status(pull)["state"] == "failure"
    text = world.report(pull)
    assert in_order(text, "# Fail: 3 of 3 models must not go live.", "| model | verdict |")
    for model, file in zip(THREE, ("train.py", "train.R", "train.jl"), strict=True):
        place = f"models/{model}/{file}"
        assert f"**Training failed** in {place}, line {lines[model]}:" in text
        [note] = [each for each in run.annotations if each.get("file") == place]
        assert (note["level"], note["line"]) == ("error", str(lines[model]))
    assert "name 'undefined\\_name' is not defined" in text
    assert "no &lt;b&gt;prices&lt;/b&gt; @\u200ball" in text
    assert "no units" in text
    assert "(mlops train sales-r) and push again" in text
    assert "Nothing to approve yet" in text


def test_a_model_that_is_no_better_than_its_baseline_is_refused(world: World) -> None:
    pull = world.open_pull("flat", shrinkage(1.0))
    run, report = world.run_pull_request(pull)
    assert (run.conclusion, report.conclusion) == ("success", "success")
    status = world.status(pull)
    assert status["state"] == "failure"
    assert status["description"] == "Fail: sales-python must not go live."
    assert "It does not clearly beat: mean." in world.report(pull)
    assert "The deployment refuses this candidate" in world.report(pull)


def test_a_pull_request_cannot_judge_itself(world: World) -> None:
    """Policy, gate, workflow and `evaluation` are loosened in the pull request that needs it."""
    loose = world.file("policies/promotion.yaml").replace(
        "first_version: interval", "first_version: difference"
    )
    contract = world.file("models/sales-python/model.yaml")
    assert "    mean: mean_units" in contract
    gate = world.file("ci/gate/gate.py").replace('"fail" if any', '"pass" if any')
    assert '"pass" if any' in gate
    pull = world.open_pull(
        "cheat",
        {
            **shrinkage(1.0),
            "policies/promotion.yaml": loose,
            "ci/gate/gate.py": gate + "\n",
            "models/sales-python/model.yaml": contract.replace("mean: mean_units", "mean: price"),
            ".github/workflows/report.yml": world.file(".github/workflows/report.yml") + "\n# x\n",
        },
    )
    run, _ = world.run_pull_request(pull)
    assert run.ran() == ["plan", "sales-python"]
    assert world.status(pull)["state"] == "failure"
    text = world.report(pull)
    assert "It does not clearly beat: mean." in text
    top = text[: text.index("<details")]
    assert "**Policies are changed** (policies/promotion.yaml)" in top
    assert "**Workflows or owners are changed**" in top
    assert "**The platform is changed** (ci/gate/gate.py)" in top
    assert "sales-python changes how it is judged (`evaluation`)" in top
    [page] = [
        each for each in world.github.artifacts.values() if each["name"].startswith("report-")
    ]
    html = zipfile.ZipFile(page["file"]).read("report.html").decode()
    assert in_order(html, "Fail: sales-python", "Policies are changed", "<svg")


def test_a_forks_pull_request_gets_no_secret_and_waits_for_the_platforms_own_tests(
    world: World,
) -> None:
    world.secrets["DEPLOY_KEY"] = "a secret"
    pull = world.open_pull(
        "theirs",
        {
            **shrinkage(0.01),
            "policies/deployment.yaml": world.file("policies/deployment.yaml") + "\n# words\n",
        },
        fork=True,
    )
    run, report = world.run_pull_request(pull)
    assert (run.conclusion, report.conclusion) == ("success", "success")
    assert "a secret" not in run.log + report.log
    status = world.status(pull)
    assert status["state"] == "pending"
    assert "Pass: 1 model may go live. The platform is touched" in status["description"]
    tests = end_tests(world, pull, "failure")
    after = world.run_report(tests)
    assert after.ran() == ["announce"]
    assert world.status(pull)["state"] == "failure"
    assert "# Fail: the platform's own tests did not pass." in world.report(pull)
    tests.document["conclusion"] = "success"
    world.run_report(tests)
    assert world.status(pull)["state"] == "success"
    assert "Good enough overall" in world.report(pull)
    assert "# Pass: 1 model may go live." in world.report(pull)


def test_a_worse_model_and_a_broken_contract_are_refused_against_the_champion(
    world: World,
) -> None:
    world.github.collaborators = {"alice": "admin"}
    world.commit(shrinkage(0.01))
    (deployed,) = world.run_push()
    assert deployed.conclusion == "success", deployed.log

    pull = world.open_pull("worse", shrinkage(0.3))
    world.run_pull_request(pull)
    assert world.status(pull)["state"] == "failure"
    text = world.report(pull)
    assert "Against the champion (version 1): " in text
    assert "version 1 stays live" in text
    assert "| train.shrinkage | 0.01 | 0.3 |" in text

    world.commit({"policies/promotion.yaml": with_waiver(world, date(2020, 1, 1))})
    contract = world.file("models/sales-python/model.yaml")
    train = world.file("models/sales-python/train.py")
    assert "maximum: 100" in contract
    assert '"holdout": reference' in train
    world.push(
        pull,
        {
            **shrinkage(0.01),
            "models/sales-python/model.yaml": contract.replace("maximum: 100", "maximum: 90"),
            "models/sales-python/train.py": train.replace(
                '"holdout": reference', '"holdout": reference[30:]'
            ),
        },
    )
    run, _ = world.run_pull_request(pull)
    assert run.conclusion == "success"
    assert world.status(pull)["state"] == "failure"
    text = world.report(pull)
    assert "Callers would break: the input price must now be at most 90." in text
    assert "aived" not in text  # the waiver has expired
    top = text[: text.index("<details")]
    assert "the holdout is not the one that the champion was judged on" in top

    world.push(pull, {"models/sales-python/train.py": train})
    world.commit({"policies/promotion.yaml": with_waiver(world, date.max)})
    world.run_pull_request(pull)
    text = world.report(pull)
    assert world.status(pull)["state"] == "success", text
    top = text[: text.index("<details")]
    assert in_order(
        top,
        "sales-python: a rule does not hold and is waived.",
        "Callers would break: the input price must now be at most 90.",
        "Waived by marketing until 9999-12-31: No department sends more than 90.",
    )


@pytest.mark.long
def test_champions_in_r_and_julia_are_compared_too(make_world: MakeWorld) -> None:
    world = make_world({"sales-r": "r", "sales-julia": "julia"})
    world.github.collaborators = {"alice": "admin"}
    world.commit({**shrinkage(0.01, "sales-r"), **shrinkage(0.01, "sales-julia")})
    (deployed,) = world.run_push()
    assert deployed.conclusion == "success", deployed.log
    pull = world.open_pull("two", {**shrinkage(0.3, "sales-julia"), **shrinkage(0.005, "sales-r")})
    world.run_pull_request(pull)
    assert world.status(pull)["description"] == "Fail: 1 of 2 models must not go live."
    text = world.report(pull)
    for model, word in (("sales-julia", "fail"), ("sales-r", "pass")):
        part = text[text.index(f"<b>{model}</b>: {word}") :]
        assert "for the champion (version 1)" in part or "Against the champion" in part
        assert "champion v1" in part[: part.index("What merging will do")] or "```mermaid" in part
    assert "could not be compared" not in text
