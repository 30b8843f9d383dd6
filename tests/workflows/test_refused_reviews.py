"""What the gate refused in pull requests becomes events with the next deployment."""

from __future__ import annotations

from typing import Any

import pytest

from ci.events.event import Event
from ci.events.log import released_log
from ci.events.value import in_words, value
from ci.state.branch import StateBranch
from ci.state.records import Deployed, write_deployed
from tests.workflows.test_publish import MODEL, Office, empty_registry, first_office, office
from tests.workflows.test_reviewed import Desk

__all__ = ["empty_registry", "first_office", "office"]

MEASURED = {
    "metric": "mae",
    "candidate": 12.0,
    "against": "version 2",
    "rival": 10.0,
    "difference": -2.0,
    "interval": [-2.5, -1.5],
    "text": "mae: 2 units worse than version 2",
}
RULE = {"rule": "primary_metric", "result": "fail", "detail": "Clearly worse."}


class Refused(Desk):
    """A pull request whose verdict is fail."""

    def __init__(self, office: Office, mark: str = "6", **changes: object) -> None:
        super().__init__(office)
        refused = {"verdict": "fail", "rules": [RULE], "measured": MEASURED}
        self.model.update(**{"fingerprint": mark * 40, **refused, **changes})


def refusals(office: Office) -> list[Event]:
    return [each for each in released_log(office.state()).events() if each.kind == "refused"]


def test_a_refused_pull_request_is_an_event_once_and_counts_with_its_loss(office: Office) -> None:
    office.publish()
    refused = Refused(office)
    refused.hand_over()
    for number in (8, 9):
        office.number = number
        office.settle()
    (event,) = refusals(office)
    assert (event.model, event.pull, event.candidate) == (MODEL, refused.number, "6" * 40)
    assert (event.rule, event.detail) == ("primary_metric", "Clearly worse.")
    counted = value(office.repository)
    (one,) = counted.refused
    assert (one.pull, one.loss, one.relative) == (refused.number, 2.0, 0.2)
    assert "mae: 2 units worse than version 2, 20.0% of its value" in in_words(counted)


def test_of_the_candidates_of_one_pull_request_the_last_counts(office: Office) -> None:
    office.publish()
    refused = Refused(office)
    refused.hand_over()
    refused.model.update(fingerprint="7" * 40, measured={**MEASURED, "difference": -1.0})
    refused.hand_over()
    office.settle()
    assert [each.candidate for each in refusals(office)] == ["6" * 40, "7" * 40]
    (one,) = value(office.repository).refused
    assert one.loss == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "pass", "rules": [{**RULE, "result": "pass"}]},
        {"rules": [{**RULE, "result": "waived"}]},
        {"fingerprint": None, "rules": [], "problem": "It could not be trained."},
    ],
)
def test_what_was_not_refused_by_the_gate_is_no_refusal(
    office: Office, changes: dict[str, Any]
) -> None:
    office.publish()
    Refused(office, **changes).hand_over()
    office.settle()
    assert refusals(office) == []


def test_a_verdict_of_another_workflow_tells_nothing(office: Office) -> None:
    office.publish()
    refused = Refused(office)
    refused.report_run["path"] = ".github/workflows/pull-request.yml"
    refused.hand_over()
    office.settle()
    assert refusals(office) == []


def test_what_is_older_than_the_last_deployment_is_not_read_again(office: Office) -> None:
    office.publish()
    Refused(office).hand_over()
    late = Deployed(commit=office.world.main, at="2099-01-01T00:00:00+00:00", owed={})
    StateBranch(office.repository.root).update("late", lambda state: write_deployed(state, late))
    office.settle()
    assert refusals(office) == []


def test_an_outage_of_github_leaves_them_to_the_next_deployment(office: Office) -> None:
    office.publish()
    Refused(office).hand_over()
    office.world.github.fail_next("GET", "/actions/artifacts", 403, message="Forbidden")
    office.settle()
    assert refusals(office) == []
    office.number = 9
    office.settle()
    assert len(refusals(office)) == 1
