"""A month of daily checks: drift that comes, stays, goes and returns, and what people get of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.contract.model import ARTIFACT, load_model_contract
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.evaluate.candidate import Servable
from ci.files import write_json
from ci.github.client import GitHub
from ci.monitor.conclude import Found, Period, as_dict, conclude
from ci.monitor.issues import keep_issues, read_drift
from ci.monitor.measures import Measure
from ci.repository import Repository
from ci.retrain.decide import mark
from ci.retrain.signs import decisions
from tests.support.repositories import commit_all, new_repository, write_dataset, write_model
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import BOT
from tests.workflows.standin.job import job_client
from tests.workflows.standin.pulls import open_pull

FIRST = datetime(2026, 3, 1, 6, 53, tzinfo=UTC)
DAYS = 30
QUIET, OVER, LIMIT = 0.02, 0.4, 0.1
# Days on which a model's column is over its limit; one day alone is chance.
SCENARIO = {
    ("orders", "price"): [*range(8, 15), *range(20, 25)],
    ("orders", "shelf"): [3, 17],
    ("visits", "price"): list(range(1, DAYS + 1)),
}
WINDOW = {"dataset": "sales", "table": "sales", "column": "day", "parameters": {"split.day": -9}}


@dataclass
class Month:
    """The commands of each day, at a clock of its own; ``told`` counts what people get."""

    repository: Repository
    hub: Hub
    github: GitHub
    now: datetime = FIRST
    told: Counter[str] = field(default_factory=Counter)
    days: dict[str, list[int]] = field(default_factory=dict)

    @property
    def day(self) -> int:
        return (self.now - FIRST).days + 1

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def happened(self, what: str) -> None:
        self.told[what] += 1
        self.days.setdefault(what, []).append(self.day)

    def check(self, model: str) -> Any:
        """What `mlops drift` concludes of the days so far, as the job that checks hands it on."""
        contract = load_model_contract(self.repository, model)
        folder = self.repository.model_dir(model)
        servable = Servable(folder / contract.predict_file, folder / ARTIFACT, contract, 1, "1")
        columns = sorted(column for of, column in SCENARIO if of == model)
        measures = [self._measure(model, name, day) for name in columns for day in self._past()]
        found = Found(measures, [], {"estimated": [], "realised": []}, None, [])
        policy = load_policy(self.repository, MonitoringPolicy)
        checked = conclude(
            self.repository, servable, policy, found, Period("drift", "These days.", self.now)
        )
        if checked.raised:
            self.happened(f"{model}: alarm")
        path = self.hub.folder / f"drift-{model}" / "drift.json"
        write_json(path, as_dict(checked))
        return read_drift(path, self.repository.model_names())

    def _past(self) -> range:
        return range(max(1, self.day - 9), self.day + 1)

    def _measure(self, model: str, column: str, day: int) -> Measure:
        over = day in SCENARIO[model, column]
        begin = (FIRST + timedelta(days=day - 1)).date().isoformat()
        value = OVER if over else QUIET
        return Measure(column, "kolmogorov_smirnov", begin, value, None, LIMIT, QUIET, over)

    def issues(self, records: list[Any]) -> None:
        before = {number: each["state"] for number, each in self.hub.issues.items()}
        owners = dict.fromkeys(self.repository.model_names(), "@grace")
        keep_issues(self.github, records, self.repository.model_names(), owners)
        for number, each in self.hub.issues.items():
            if not each["pull"] and before.get(number) != each["state"]:
                was = "reopened" if number in before and each["state"] == "open" else each["state"]
                self.happened(f"{each['title'].split()[2]} issue {was}")

    def retrain(self) -> None:
        """What `retrain.yml` decides; a pull request is merged on the next day."""
        for pull in self.hub.pulls.values():
            pull["state"] = "closed"
        for each in decisions(self.repository, self.github, self.now):
            if "budget" in (each.held or ""):
                self.happened(f"{each.model}: held by the budget")
            elif each.held:
                self.happened(f"{each.model}: cools down")
            if each.go:
                self._open(each.model)
                self.happened(f"{each.model}: pull request")

    def _open(self, model: str) -> None:
        self.hub.git("update-ref", f"refs/heads/retrain/{model}", "refs/heads/main")
        open_pull(
            self.hub,
            head_owner=self.hub.owner,
            head_ref=f"retrain/{model}",
            base_ref="main",
            author=BOT,
            title=f"Retrain {model}",
            body=mark(self.now),
        )


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    periods = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}
    for model in ("orders", "visits"):
        write_model(
            repository,
            model,
            monitoring={"timestamp": "day", "chunk": "day", **periods},
            retraining={"window": WINDOW, "triggers": ["drift"]},
        )
    path = repository.policies_dir / "monitoring.yaml"
    policy = yaml.safe_load(path.read_text())
    policy["alert"]["cooldown_hours"] = 7 * 24
    path.write_text(yaml.safe_dump(policy))
    commit_all(repository.root)
    hub = Hub(tmp_path)
    with Standin(hub):
        new_bare(hub.bare)
        tree = hub.git("mktree", stdin="")
        hub.git("update-ref", "refs/heads/main", hub.git("commit-tree", tree, "-m", "Begun"))
        may = {"contents": "read", "issues": "write", "pull-requests": "read"}
        hub.tokens["token"] = Token(BOT, may)
        made = Month(repository, hub, job_client(hub, "token", repository.root))
        for module in ("issues", "pulls"):
            monkeypatch.setattr(f"tests.workflows.standin.{module}.now", made.stamp)
        monkeypatch.setattr("ci.monitor.report.write_report", lambda *_: None)
        yield made
    assert hub.problems == []


def test_a_month_of_days_wakes_people_for_what_is_new_and_for_nothing_else(month: Month) -> None:
    for _ in range(DAYS):
        month.issues([month.check(model) for model in ("orders", "visits")])
        month.retrain()
        month.now += timedelta(days=1)
    assert month.days["orders: alarm"] == [9, 21], "one day over the limit is none"
    assert month.days["visits: alarm"] == [1, 8, 15, 22, 29], "what stays is told once a week"
    assert month.days["orders: issue open"] == [9]
    assert month.days["orders: issue closed"] == [16, 26]
    assert month.days["orders: issue reopened"] == [21]
    assert month.days["visits: issue open"] == [1]
    assert "visits: issue closed" not in month.days
    assert month.days["orders: pull request"] == [9, 21]
    assert month.days["visits: pull request"] == [1, 8, 15, 22]
    assert month.days["visits: held by the budget"] == [29, 30]
    assert len([each for each in month.hub.issues.values() if not each["pull"]]) == 2
    assert len(month.hub.pulls) == 6
    (orders,) = (each for each in month.hub.issues.values() if "Drift in orders" in each["title"])
    assert orders["title"] == "Drift in orders: price (kolmogorov smirnov)"
    assert "@grace, please have a look." in orders["body"]
    said = [each["body"] for each in month.hub.comments if each["number"] == orders["number"]]
    assert [line.split()[0] for line in said] == ["Green", "Back", "Green"]


def test_what_comes_back_is_said_to_the_owner_in_the_issue_that_there_is(month: Month) -> None:
    for day, count in ((9, 1), (16, 2), (21, 3)):
        month.now = FIRST + timedelta(days=day - 1)
        month.issues([month.check("orders")])
        (issue,) = month.hub.issues.values()
        assert issue["state"] == ("closed" if day == 16 else "open")
        assert len(month.hub.comments) == count - 1
    assert month.hub.comments[-1]["body"].endswith("@grace, please have another look.")
    month.issues([month.check("orders")])
    assert len(month.hub.comments) == 2, "it is said once"
