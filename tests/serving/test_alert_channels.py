"""What is wrong reaches people: by Slack, e-mail and PagerDuty, through the real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from ci.contract.alerting import AlertingPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.host import alarm as host_alarm
from ci.host.alarm import Alarm
from ci.host.records import HostRecord, write_host
from ci.observe.push import VARIABLE, Alert, about, batch_told, push
from ci.repository import Repository
from ci.state.local import state_folder
from ci.yaml_file import ProblemsError
from tests.support.alertmanager import Told, alertmanager
from tests.support.command import mlops, result
from tests.support.repositories import new_repository, write_dataset, write_model

MODEL = "orders"
NOBODY = "http://127.0.0.1:9"
LOST = MlopsError("disk_full", "The disk has 3 MB left.")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = new_repository(tmp_path_factory.mktemp("alerts") / "repository")
    write_dataset(made, "sales")
    write_model(made, MODEL, owner="procurement")
    hosts = "hosts:\n  shop-1: {models: all}\n  shop-2: {models: all}\n"
    policy = made.policies_dir / "deployment.yaml"
    policy.write_text(policy.read_text() + hosts)
    return made


@pytest.fixture(scope="module")
def running(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with alertmanager(repository, tmp_path_factory.mktemp("secrets") / "here") as told:
        yield told


@pytest.fixture
def told(running: Told, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setenv(VARIABLE, running.url)
    return running


def test_a_batch_that_fails_is_told_and_that_it_is_well_again(
    repository: Repository, told: Told
) -> None:
    done = mlops(repository.root, "score", MODEL, "--json")
    message = told.slack("BatchFailed", "FIRING")
    assert message["title"] == f"FIRING: BatchFailed {MODEL}"
    assert done.message in message["text"]
    assert "Owner: procurement." in message["text"]
    assert f"type: mlops score {MODEL}" in message["text"]
    mail = told.mail("BatchFailed", "FIRING")
    assert f"Subject: FIRING: BatchFailed {MODEL}" in mail
    assert "duty@example.com" in mail
    assert "Owner: procurement." in mail
    with batch_told(repository, MODEL):
        pass
    assert "It is over: " in told.slack("BatchFailed", "RESOLVED")["text"]
    assert not [each for path, each in told.hooks if path == "/pagerduty" and MODEL in str(each)], (
        "nobody gets up for a batch"
    )


def test_drift_is_told_with_the_owner_of_the_model(repository: Repository, told: Told) -> None:
    now = datetime.now(UTC)
    alert = Alert("Drift", about(repository, MODEL), "warning", "Alert: price.", "type: mlops …")
    assert push(alert, now, now + timedelta(hours=1), told.url)
    message = told.slack("FIRING: Drift orders", "Alert: price.")
    assert "Owner: procurement. type: mlops …" in message["text"]
    assert told.mail("FIRING: Drift orders")


def test_a_host_that_fails_is_an_incident_until_it_is_well(
    repository: Repository, told: Told
) -> None:
    alarm = Alarm(repository, "shop-1", patient=False)
    alarm.tell([LOST, LOST])
    event = told.pagerduty("HostFailed", "trigger")
    assert event["routing_key"] == "k" * 32
    assert event["event_action"] == "trigger"
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["summary"] == "FIRING: HostFailed shop-1"
    details = event["payload"]["custom_details"]
    assert "The disk has 3 MB left. (and 1 more)" in details["text"]
    assert "type: mlops doctor" in details["text"]
    assert details["owner"] == "platform"
    alarm.tell([])
    assert told.pagerduty("HostFailed", "resolve")["dedup_key"] == event["dedup_key"]
    assert told.mail("RESOLVED: HostFailed shop-1")


def test_a_host_that_is_silent_is_missed_by_another(repository: Repository, told: Told) -> None:
    def heard(name: str, ago: timedelta) -> None:
        at = (datetime.now(UTC) - ago).isoformat(timespec="seconds")
        found = HostRecord(name=name, instance=name, platform=None, at=at, models={})
        write_host(state_folder(repository), found)

    alarm = Alarm(repository, "shop-1", patient=True)
    heard("shop-2", timedelta(hours=1))
    heard("shop-9", timedelta(days=90))  # taken out of the policy long ago
    alarm.tell([])
    assert "systemctl status mlops-shop-2" in str(told.pagerduty("HostSilent shop-2", "trigger"))
    alarm.tell([LOST])  # who fails can't know that the other one is back
    heard("shop-2", timedelta(0))
    alarm.tell([])
    assert told.pagerduty("HostSilent shop-2", "resolve")
    assert "shop-9" not in str(told.hooks)


def raised(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    """Every alert that is pushed and lasts."""
    found: list[Alert] = []

    def keep(alert: Alert, now: datetime, ends: datetime, url: str) -> bool:
        found.extend([alert] if ends > now else [])
        return True

    monkeypatch.setattr(host_alarm, "push", keep)
    return found


def test_a_moment_s_problem_wakes_nobody(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, NOBODY)
    found, now = raised(monkeypatch), [1000.0]
    monkeypatch.setattr("ci.host.alarm.time.monotonic", lambda: now[0])
    alarm = Alarm(repository, "shop-1", patient=True)
    for seconds, problems in ((0, [LOST]), (200, [LOST]), (200, []), (0, [LOST]), (299, [LOST])):
        now[0] += seconds
        alarm.tell(problems)
    assert found == []
    now[0] += 1
    alarm.tell([LOST])
    assert [each.name for each in found] == ["HostFailed"]


def test_without_the_variable_nobody_is_asked(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    found = raised(monkeypatch)
    Alarm(repository, "shop-1", patient=False).tell([LOST])
    assert found == []


def test_no_alertmanager_is_said_once_and_holds_up_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, NOBODY)
    alarm = Alarm(repository, "shop-1", patient=False)
    alarm.tell([LOST])
    alarm.tell([LOST])
    assert capsys.readouterr().err.count("no Alertmanager takes alerts") == 1
    done = mlops(repository.root, "score", MODEL, "--json")
    assert done.error == "not_deployed"
    assert "No Alertmanager took that" in done.stderr


def test_the_shipped_policy_tells_nobody_and_is_taken(tmp_path: Path) -> None:
    root = new_repository(tmp_path).root
    written = root / ".mlops/observe/alertmanager.yaml"
    assert str(written.relative_to(root)) in result(root, "observe")["paths"]
    found = yaml.safe_load(written.read_text())
    assert found["receivers"] == [{"name": "nobody"}]
    assert found["route"]["routes"] == []


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("slack: {url_file: secrets/slack}", "a secret stands in a file of the machine"),
        ("slack: {url_file: HERE/policies/slack}", "keep secrets outside of it"),
        ("slack: {url: https://hooks.example.com/x}", "url"),
        ("email: {to: [], sender: a@b.c, relay: 'm:25'}", "to"),
        ("email: {to: [a b@c], sender: a@b.c, relay: 'm:25'}", "to"),
        ("email: {to: [a@b.c], sender: a@b.c, relay: m}", "relay"),
        ("email: {to: [a@b.c], sender: a@b.c, relay: 'm:25', user: x}", "belong together"),
        ("repeat_hours: 0", "repeat_hours"),
    ],
)
def test_a_policy_that_can_not_be_is_refused(tmp_path: Path, policy: str, said: str) -> None:
    repository = new_repository(tmp_path)
    text = policy.replace("HERE", str(repository.root))
    (repository.policies_dir / "alerting.yaml").write_text(text)
    with pytest.raises(ProblemsError) as caught:
        load_policy(repository, AlertingPolicy)
    assert said in caught.value.message
