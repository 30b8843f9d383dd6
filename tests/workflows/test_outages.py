"""GitHub's API fails, limits and refuses: what can be repeated is, and what can't is said."""

from __future__ import annotations

import re
from typing import Any

from ci.github import client
from tests.workflows.runs import Run
from tests.workflows.world import World

CHANGE = {"models/sales-python/params.yaml": "train: {shrinkage: 0.01}\n"}


# As often as it is asked, and at once, so that the test does not wait.
LASTING: dict[str, Any] = {"times": 1000, "headers": {"retry-after": "0"}}


def said(report: Run) -> str:
    """The one error on the page of a run that failed."""
    assert report.conclusion == "failure"
    [error] = {each["message"] for each in report.annotations if each["level"] == "error"}
    return error


def test_what_lasts_is_said_and_is_put_right_by_the_next_run(world: World) -> None:
    pull = world.open_pull("words", {"docs/words.md": "words\n"})
    run = world.finish(world.begin_pull_request(pull))
    assert run.ran() == ["plan"]

    world.github.fail_next("POST", "/statuses/", 500, **LASTING)
    report = world.run_report(run)
    assert re.search(r"GitHub: POST \S+/statuses/\w+ answered 500: Server Error\.", said(report))
    tried = [path for method, path, _ in world.github.requests if method == "POST"]
    assert sum("/statuses/" in path for path in tried) == client.ATTEMPTS
    assert world.status(pull) == {}

    world.github.faults.clear()
    world.github.rate_limit_next("GET", "/pulls", seconds=3000, secondary=False)
    report = world.run_report(run)
    assert re.search(
        r"rate limit exceeded.*, and asks to wait \d+ s; run this job again then", said(report)
    )

    world.github.fail_next("GET", "/pulls", 403, message="Resource protected by organization SAML")
    before = len(world.github.requests)
    assert "403: Resource protected by organization SAML" in said(world.run_report(run))
    asked = world.github.requests[before:]
    assert [path for _, path, status in asked if status == 403 and "/pulls" in path] == [
        "/repos/kronkers/mlops/pulls"
    ]

    assert world.run_report(run).conclusion == "success"
    assert world.status(pull)["state"] == "success"


def test_a_candidate_that_cannot_be_fetched_is_not_waved_through_and_hiccups_are_outlived(
    world: World,
) -> None:
    pull = world.open_pull("tune", CHANGE)
    run = world.begin_pull_request(pull)
    world.github.fail_next("POST", "/statuses/", 500, times=2)
    world.github.rate_limit_next("GET", "/pulls", seconds=1)
    world.run_report(run, "requested")
    world.finish(run)
    assert world.github.faults == []

    world.github.fail_next("GET", "/zip", 503, **LASTING)
    report = world.run_report(run)
    assert re.search(r"GitHub: GET \S+/zip answered 503", said(report))
    assert world.status(pull)["state"] != "success"

    world.github.faults.clear()
    world.github.fail_next("GET", "/artifacts", 502)
    world.github.fail_next("GET", "/artifacts", 0)
    world.github.rate_limit_next("POST", "/statuses/", secondary=False)
    world.github.fail_next("PATCH", "/issues/comments/", 503)
    report = world.rerun(report)
    assert report.conclusion == "success", report.log
    assert world.github.faults == []
    assert world.status(pull)["state"] == "success"
    assert "sales-python" in world.report(pull)

    world.review(pull, "bob")
    world.merge(pull)
    world.github.fail_next("GET", "/artifacts", 500)
    world.github.fail_next("GET", "/reviews", 502)
    world.github.rate_limit_next("GET", "/collaborators", seconds=1)
    world.github.fail_next("POST", "/releases", 502, done=True)
    world.github.fail_next("POST", "/assets", 502, done=True)
    world.github.fail_next("POST", "/git-receive-pack", 503)
    (deployment,) = world.run_push()
    assert deployment.conclusion == "success", deployment.log
    assert "taking the candidate that was reviewed" in deployment.log
    assert world.github.faults == []
    tags = [each["tag_name"] for each in world.github.releases.values()]
    assert sorted(tags) == ["data-store", "sales-python/v1"]
    assert '"version": 1' in world.file("released/sales-python.json", "mlops-state")
