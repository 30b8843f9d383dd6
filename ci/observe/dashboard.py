"""Grafana's dashboard of all models."""

from __future__ import annotations

from typing import Any

CALLS = 'mlops_requests_total{path="/predict",model=~"$model"}'
PANELS = [
    ("Calls a second", f"sum by (model) (rate({CALLS}[5m]))", "reqps"),
    ("Errors by kind", f'sum by (model, code) (rate({CALLS[:-1]},code!=""}}[5m]))', "reqps"),
    ("Half of the calls take", "{quantile 0.5}", "s"),
    ("One call in a hundred takes over", "{quantile 0.99}", "s"),
    ("Rows a second", 'sum by (model) (rate(mlops_rows_total{model=~"$model"}[5m]))', "short"),
    ("Processes alive", 'sum by (model) (mlops_workers_alive{model=~"$model"})', "short"),
    ("Calls that wait", 'sum by (model) (mlops_calls_waiting{model=~"$model"})', "short"),
    (
        "Processes started again, an hour",
        'sum by (model) (increase(mlops_worker_restarts_total{model=~"$model"}[1h]))',
        "short",
    ),
]
WIDTH, HEIGHT = 12, 8


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it; it asks which Prometheus to read."""
    variable = {
        "name": "model",
        "type": "query",
        "query": "label_values(mlops_workers_alive, model)",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "multi": True,
        "includeAll": True,
        "refresh": 2,
    }
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "title": "Models",
        "uid": "mlops-models",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source, variable]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, title: str, query: str, unit: str) -> dict[str, Any]:
    if query.startswith("{quantile"):
        quantile = query.strip("{}").split()[1]
        seconds = 'rate(mlops_predict_seconds_bucket{model=~"$model"}[5m])'
        query = f"histogram_quantile({quantile}, sum by (model, le) ({seconds}))"
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {
            "x": WIDTH * (number % 2),
            "y": HEIGHT * (number // 2),
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"expr": query, "refId": "A"}],
    }
