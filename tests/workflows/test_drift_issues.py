"""Drift issues against the stand-in: whose record is hostile, gone, or not there this time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ci.errors import MlopsError
from ci.github.client import GitHub
from ci.monitor.alerts import Signal
from ci.monitor.issues import DriftRecord, keep_issues, read_drift
from ci.monitor.measures import Measure
from ci.monitor.passed import Passed
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.hub import BOT
from tests.workflows.standin.job import job_client

MODELS = ["orders", "visits"]
OWNERS = dict.fromkeys(MODELS, "@grace")
WEEK = "2026-11-09/2026-11-15"
PRICE = Signal(
    "price", "kolmogorov_smirnov", 0.31, 0.1, WEEK, [WEEK, "2026-11-16"], ["2026-11-16"], True
)
QUIET = Signal("shelf", "jensen_shannon", 0.01, 0.1, WEEK, [], [], False)
ERROR = Measure("mae", "realised", WEEK, 19.5, 7.0, 14.0, 10.9, True)
PASSED = Passed("price", "kolmogorov_smirnov", 0.3, 0.1, WEEK, [WEEK, "2026-11-16"])
HOSTILE = "x-->\n\n# @everyone <img src=x> [y](https://evil.example) | `z`"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[tuple[Hub, GitHub]]:
    hub = Hub(tmp_path)
    with Standin(hub):
        hub.tokens["token"] = Token(BOT, {"contents": "read", "issues": "write"})
        yield hub, job_client(hub, "token", tmp_path)
    assert hub.problems == []


def record(model: str = "orders", *signals: Signal, **changes: Any) -> DriftRecord:
    found = {
        "model": model,
        "version": 2,
        "alert": True,
        "headline": f"Alert for {model}.",
        "features": [asdict(each) for each in signals],
        "worse": [],
        "passed": [],
    }
    return DriftRecord.model_validate({**found, **changes})


def states(hub: Hub) -> dict[str, str]:
    return {each["title"]: each["state"] for each in hub.issues.values()}


def test_each_signal_has_its_issue_with_numbers_in_words(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    found = record("orders", PRICE, QUIET, worse=[asdict(ERROR)])
    numbers = keep_issues(api, [found], MODELS, OWNERS)
    assert states(hub) == {
        "Drift in orders: realised mae": "open",
        "Drift in orders: price (kolmogorov smirnov)": "open",
    }
    worse, price = (hub.issues[number]["body"] for number in numbers.values())
    assert "from 2026-11-09: 19.5, usual 10.9" in worse
    assert "its kolmogorov smirnov is 0.31, and the limit is 0.1" in price
    assert "Over the limit: 2 periods" in price
    assert "Checked: version 2." in price
    assert f"{hub.url}/{hub.full_name}/actions/runs/1#artifacts" in price
    assert keep_issues(api, [found], MODELS, OWNERS) == numbers
    assert len(hub.issues) == 2


def test_only_what_was_checked_is_closed(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    keep_issues(api, [record("orders", PRICE), record("visits", PRICE)], MODELS, OWNERS)
    keep_issues(api, [record("orders", QUIET, alert=False)], MODELS, OWNERS)
    assert sorted(states(hub).values()) == ["closed", "open"]
    assert states(hub)["Drift in visits: price (kolmogorov smirnov)"] == "open"


def test_an_alert_of_too_few_columns_opens_nothing(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    assert keep_issues(api, [record("orders", PRICE, alert=False)], MODELS, OWNERS) == {}
    assert hub.issues == {}


def passed(**changes: Any) -> DriftRecord:
    return record("orders", QUIET, alert=False, passed=[asdict(replace(PASSED, **changes))])


def test_what_began_and_ended_between_two_checks_has_an_issue_that_is_closed(
    github: tuple[Hub, GitHub],
) -> None:
    hub, api = github
    assert keep_issues(api, [passed()], MODELS, OWNERS) == {}
    (issue,) = hub.issues.values()
    assert (issue["title"], issue["state"]) == (
        "Drift in orders: price (kolmogorov smirnov)",
        "closed",
    )
    assert "was up to 0.3 in the period from 2026-11-09, and the limit is 0.1" in issue["body"]
    assert "It ended with the period from 2026-11-16." in issue["body"]
    assert "@grace, please have a look." in issue["body"]
    assert "until it is green" not in issue["body"]
    [said] = hub.comments
    assert said["body"].startswith("Over when [this run]")
    assert "@grace" not in said["body"], "the text mentioned the owner a moment ago"
    keep_issues(api, [passed()], MODELS, OWNERS)
    assert len(hub.comments) == 1, "the same run again says nothing more"
    keep_issues(api, [passed(chunks_over=["2026-12-07", "2026-12-08"])], MODELS, OWNERS)
    assert (len(hub.issues), issue["state"], len(hub.comments)) == (1, "closed", 2)
    assert "It ended with the period from 2026-12-08." in issue["body"]
    assert hub.comments[1]["body"].endswith("@grace, please have a look.")


def test_an_open_issue_is_closed_with_the_day_on_which_it_ended(
    github: tuple[Hub, GitHub],
) -> None:
    hub, api = github
    keep_issues(api, [record("orders", PRICE)], MODELS, OWNERS)
    keep_issues(api, [passed()], MODELS, OWNERS)
    (issue,) = hub.issues.values()
    assert issue["state"] == "closed"
    assert "It ended with the period from 2026-11-16." in issue["body"]
    assert [each["body"][:4] for each in hub.comments] == ["Over"]


def test_what_alerts_now_and_what_has_passed_are_two_issues(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    error = Passed("mae", "realised", 19.0, 14.0, WEEK, [WEEK])
    both = record("orders", PRICE, passed=[asdict(PASSED), asdict(error)])
    numbers = keep_issues(api, [both], MODELS, OWNERS)
    assert states(hub) == {
        "Drift in orders: price (kolmogorov smirnov)": "open",
        "Drift in orders: realised mae": "closed",
    }
    assert len(numbers) == 1
    keep_issues(api, [record("orders", worse=[asdict(ERROR)])], MODELS, OWNERS)
    assert states(hub)["Drift in orders: realised mae"] == "open", "one issue a signal"
    assert len(hub.issues) == 2


def test_issues_of_a_model_that_is_gone_are_closed(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    keep_issues(api, [record("orders", PRICE)], MODELS, OWNERS)
    keep_issues(api, [], ["visits"], OWNERS)
    assert set(states(hub).values()) == {"closed"}
    assert hub.comments[0]["body"] == "There is no model orders any more."


def test_names_of_columns_are_text(github: tuple[Hub, GitHub]) -> None:
    hub, api = github
    signal = Signal(HOSTILE, HOSTILE, 1.0, None, HOSTILE, [HOSTILE], [HOSTILE], True)
    over = asdict(Passed(HOSTILE, "x", 1.0, None, HOSTILE, [HOSTILE]))
    found = record("orders", signal, headline=HOSTILE, passed=[over])
    keep_issues(api, [found], MODELS, OWNERS)
    assert len(hub.issues) == 2
    for issue in hub.issues.values():
        mark, _, rest = issue["body"].partition("\n")
        assert mark.startswith("<!-- kronkers drift/orders/")
        assert mark.endswith(" -->")
        for harm in ("@everyone", "<img", "](https://evil", "\n# ", "-->"):
            assert harm not in rest
        assert "@everyone" not in issue["title"]
    keep_issues(api, [found], MODELS, OWNERS)
    assert len(hub.issues) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"model": "orders"}',
        *(json.dumps(record(model, PRICE).model_dump()) for model in ("gone", "visits")),
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "drift-orders" / "drift.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(MlopsError) as caught:
        read_drift(path, MODELS)
    assert caught.value.code == "bad_drift"


def test_what_the_check_writes_is_what_is_read(tmp_path: Path) -> None:
    from ci.files import write_json
    from ci.monitor.conclude import Checked, as_dict

    checked = Checked(
        period="",
        model="orders",
        version=None,
        alert=True,
        raised=True,
        headline="Alert for orders.",
        earlier=None,
        passed=[PASSED],
        features=[PRICE],
        unmeasured=[],
        performance={"estimated": [], "realised": [ERROR]},
        worse=[ERROR],
        performance_note=None,
        notes=[],
        report=tmp_path / "drift.html",
        plot=tmp_path / "drift.png",
    )
    path = tmp_path / "drift-orders" / "drift.json"
    write_json(path, as_dict(checked))
    record = read_drift(path, MODELS)
    assert record.worse[0].usual == 10.9
    assert record.passed[0].chunks_over == PASSED.chunks_over
