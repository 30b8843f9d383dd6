"""The files, written where Prometheus and Grafana can be given them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.files import write_json, write_whole
from ci.observe.dashboard import dashboard
from ci.observe.rules import rules
from ci.targets.local import all_recorded
from ci.targets.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

ALERTS, CONFIGURATION, DASHBOARD = "alerts.yaml", "prometheus.yaml", "dashboard.json"
KEY_FILE = "metrics.key"
ALERTMANAGER = "127.0.0.1:9093"  # where Debian's listens; alerts go nowhere while none does


def write(repository: Repository) -> list[Path]:
    """Write alert rules, a Prometheus configuration for what runs here, and a dashboard."""
    folder = repository.state_dir / "observe"
    objectives = load_policy(repository, DeploymentPolicy).objectives
    _write_yaml(folder / ALERTS, rules(objectives))
    _write_yaml(folder / CONFIGURATION, _configuration(repository, folder))
    write_json(folder / DASHBOARD, dashboard())
    return [folder / name for name in (ALERTS, CONFIGURATION, DASHBOARD)]


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, yaml.safe_dump(content, sort_keys=False, width=100))


def _configuration(repository: Repository, folder: Path) -> dict[str, Any]:
    targets = [
        {"targets": [f"{HOST}:{service.port}"], "labels": {"model": service.model}}
        for service in all_recorded(repository)
    ]
    job: dict[str, Any] = {"job_name": "models", "static_configs": targets, "honor_labels": True}
    if (folder / KEY_FILE).is_file():
        job["authorization"] = {"credentials_file": KEY_FILE}
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [ALERTS],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER]}]}]},
        "scrape_configs": [job],
    }
