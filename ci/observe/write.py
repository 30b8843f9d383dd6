"""The files, written where Prometheus and Grafana can be given them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from ci.contract.alerting import AlertingPolicy
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import write_json, write_whole
from ci.host.place import policy_of
from ci.observe.channels import configuration
from ci.observe.dashboard import dashboard
from ci.observe.rules import rules
from ci.targets import front
from ci.targets.services import all_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.contract.deployment import LocalTarget
    from ci.repository import Repository

ALERTS, CONFIGURATION, DASHBOARD = "alerts.yaml", "prometheus.yaml", "dashboard.json"
CHANNELS = "alertmanager.yaml"
KEY_FILE = "metrics.key"
ALERTMANAGER = "127.0.0.1:9093"  # where Debian's listens; alerts go nowhere while none does


def write(repository: Repository) -> list[Path]:
    """Write alert rules, who is told, a Prometheus configuration for what runs here, a dashboard.

    Raises:
        ProblemsError: ``bad_policy``; nothing is written.
    """
    folder = repository.state_dir / "observe"
    policy, channels = policy_of(repository), load_policy(repository, AlertingPolicy)
    _write_yaml(folder / ALERTS, rules(policy.objectives))
    _write_yaml(folder / CONFIGURATION, _configuration(repository, folder, policy.local))
    _write_yaml(folder / CHANNELS, configuration(channels))
    write_json(folder / DASHBOARD, dashboard())
    return [folder / name for name in (ALERTS, CONFIGURATION, CHANNELS, DASHBOARD)]


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, yaml.safe_dump(content, sort_keys=False, width=100))


def _configuration(repository: Repository, folder: Path, policy: LocalTarget) -> dict[str, Any]:
    names = [record.model for record in all_records(repository)]
    targets = [_target(name, front.address(repository, name, policy)) for name in names]
    job: dict[str, Any] = {"job_name": "models", "static_configs": targets, "honor_labels": True}
    if (folder / KEY_FILE).is_file():
        job["authorization"] = {"credentials_file": KEY_FILE}
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [ALERTS],
        "alerting": {
            "alert_relabel_configs": [_owned(*each) for each in _owners(repository.declared())],
            "alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER]}]}],
        },
        "scrape_configs": [job],
    }


def _target(name: str, url: str) -> dict[str, Any]:
    """A model at the address that callers use too, which stays when its version changes."""
    parts = urlsplit(url)
    path = {"__metrics_path__": f"{parts.path}/metrics"}
    return {"targets": [parts.netloc], "labels": {**path, "model": name}}


def _owners(repository: Repository) -> Iterator[tuple[str, str]]:
    """Each model and who answers for it, where its contract can be read."""
    for name in repository.model_names():
        try:
            yield name, load_model_contract(repository, name).owner
        except MlopsError:
            continue


def _owned(model: str, owner: str) -> dict[str, Any]:
    """Expressions keep the label of the model alone, so that the owner's is put on every alert."""
    return {
        "source_labels": ["model"],
        "regex": model,
        "target_label": "owner",
        "replacement": owner,
    }
