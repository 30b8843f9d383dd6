"""Alert rules, held against made-up series by promtool; the files that `mlops observe` writes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import bentos.metrics
import ci
from ci.contract.deployment import Objectives
from ci.observe.dashboard import dashboard
from ci.observe.rules import rules
from tests.support.command import result
from tests.support.programs import bring_program
from tests.support.repositories import new_repository

ROOT = Path(ci.__file__).parents[1]
ALERTS = {rule["alert"]: rule for rule in rules(Objectives())["groups"][0]["rules"]}
WELL = 'mlops_requests_total{path="/predict",model="m",status="200",code=""}'
FAILED = 'mlops_requests_total{path="/predict",model="m",status="500",code="model_error"}'
SECONDS = 'mlops_predict_seconds_bucket{model="m",le="%s"}'
ALIVE = 'mlops_workers_alive{model="m"}'
UP = 'up{job="models",model="m"}'
DROPPED = 'mlops_records_dropped_total{model="m"}'
STEADY = "0+60x1600"

# Series (a value a minute), the minute, and the alerts that are due then.
SCENES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "all is well": ({WELL: STEADY, ALIVE: "1x1600", UP: "1x1600"}, "90m", []),
    "one in a hundred fails": ({WELL: "0+99x100", FAILED: "0+1x100"}, "90m", []),
    "one in ten fails": ({WELL: "0+90x100", FAILED: "0+10x100"}, "90m", ["ModelErrors"]),
    "a few minutes of errors, over": (
        {WELL: STEADY, FAILED: "0+60x10 600x90"}, "90m", [],
    ),
    "no process": ({ALIVE: "1x10 0x10"}, "15m", ["ModelWithoutWorker"]),
    "no answer to Prometheus": ({UP: "1x10 0x10"}, "15m", ["ModelDown"]),
    "slow": ({SECONDS % "1.0": "0+1x60", SECONDS % "2.5": "0+60x60", SECONDS % "+Inf": "0+60x60"},
             "40m", ["ModelSlow"]),
    "quick": ({SECONDS % "0.5": "0+60x60", SECONDS % "1.0": "0+60x60", SECONDS % "+Inf": "0+60x60"},
              "40m", []),
    "restarts": ({'mlops_worker_restarts_total{model="m"}': "0+1x30"}, "20m", ["ModelRestarts"]),
    "one restart": ({'mlops_worker_restarts_total{model="m"}': "0x10 1x30"}, "20m", []),
    "silence": ({WELL: "0+60x1400 84000x200"}, "1560m", ["ModelWithoutTraffic"]),
    "never called": ({WELL: "0x1600"}, "1560m", []),
    "full disk": ({DROPPED: "0x10 5x30"}, "15m", ["ModelRecordsDropped"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def promtool() -> str:
    return bring_program("prometheus", "promtool")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mlops observe` writes."""
    repository = new_repository(tmp_path_factory.mktemp("observe") / "repository")
    paths = result(repository.root, "observe")["paths"]
    assert [Path(path).name for path in paths] == [
        "alerts.yaml",
        "prometheus.yaml",
        "alertmanager.yaml",
        "dashboard.json",
    ]
    return repository.root / Path(paths[0]).parent


def run(promtool: str, folder: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_files(promtool: str, folder: Path) -> None:
    assert f"{len(ALERTS)} rules found" in run(
        promtool, folder, "check", "config", "prometheus.yaml"
    )


@pytest.mark.parametrize("scene", list(SCENES))
def test_alerts_are_raised_when_due_and_only_then(
    promtool: str, folder: Path, tmp_path: Path, scene: str
) -> None:
    series, minute, due = SCENES[scene]
    checks = [_check(alert, minute, alert in due) for alert in ALERTS]
    test = {
        "rule_files": [str(folder / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": checks,
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    run(promtool, folder, "test", "rules", path)


def _check(alert: str, minute: str, due: bool) -> dict[str, Any]:
    """How many alerts of this name fire; promtool's own form would need each label of each."""
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    found = [{"labels": "{}", "value": 1}] if due else []
    return {"expr": expression, "eval_time": minute, "exp_samples": found}


@pytest.mark.parametrize("alert", list(ALERTS))
def test_every_alert_leads_to_a_page_that_names_it(alert: str) -> None:
    page = ROOT / ALERTS[alert]["annotations"]["runbook_url"]
    assert page.is_file()
    assert f"`{alert}`" in page.read_text()


def test_rules_and_dashboard_ask_for_metrics_that_services_have() -> None:
    source = Path(bentos.metrics.__file__).read_text()
    asked = set(re.findall(r"mlops_\w+", json.dumps([dashboard(), rules(Objectives())])))
    known = asked - {"mlops_models"}
    assert known
    for name in known:
        base = re.sub(r"_(total|bucket)$", "", name)
        assert f'"{base}"' in source, name


def test_objectives_move_the_limits() -> None:
    text = json.dumps(rules(Objectives(available=0.9, p99_seconds=7)))
    assert "> 1.44" in text
    assert "> 7" in text
