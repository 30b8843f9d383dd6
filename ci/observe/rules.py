"""Prometheus' alert rules, from the objectives in `policies/deployment.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci.contract.deployment import Objectives

RUNBOOKS = "docs/runbooks"
CALLS = 'mlops_requests_total{path="/predict"}'
ERRORS = 'mlops_requests_total{path="/predict",status=~"5.."}'
# A month's budget is gone in two days at this rate: Google's SRE workbook, chapter 5.
BURN_RATE = 14.4


def rules(objectives: Objectives) -> dict[str, Any]:
    """The content of a rule file."""
    budget = round(1 - objectives.available, 6)
    slow = objectives.p99_seconds
    return {
        "groups": [
            {
                "name": "models",
                "rules": [
                    _alert(
                        "ModelWithoutWorker",
                        "mlops_workers_alive == 0",
                        "1m",
                        "No process of {{ $labels.model }} lives: every call is answered with 503.",
                        "model-does-not-answer",
                        "mlops doctor",
                    ),
                    _alert(
                        "ModelDown",
                        'up{job="models"} == 0',
                        "1m",
                        "{{ $labels.model }} does not answer Prometheus.",
                        "model-does-not-answer",
                        "mlops doctor",
                    ),
                    _alert(
                        "ModelErrors",
                        f"({_share('5m')} > {BURN_RATE * budget:g}) and "
                        f"({_share('1h')} > {BURN_RATE * budget:g})",
                        "2m",
                        "{{ $labels.model }} fails on {{ $value | humanizePercentage }} of calls: "
                        "its error budget of a month is gone in two days.",
                        "api-answers-an-error",
                        "mlops logs {{ $labels.model }}",
                    ),
                    _alert(
                        "ModelSlow",
                        "histogram_quantile(0.99, sum by (model, le) "
                        f"(rate(mlops_predict_seconds_bucket[5m]))) > {slow:g}",
                        "10m",
                        f"One call in a hundred to {{{{ $labels.model }}}} takes over {slow:g} s.",
                        "model-is-slow",
                        "mlops logs {{ $labels.model }}",
                    ),
                    _alert(
                        "ModelRestarts",
                        "sum by (model) (increase(mlops_worker_restarts_total[15m])) > 3",
                        "0m",
                        "Processes of {{ $labels.model }} die again and again.",
                        "model-does-not-answer",
                        "mlops logs {{ $labels.model }}",
                    ),
                    _alert(
                        "ModelWithoutTraffic",
                        f"sum by (model) (increase({CALLS}[1h])) == 0 and "
                        f"sum by (model) (increase({CALLS}[1h] offset 1d)) > 0",
                        "10m",
                        "Nobody calls {{ $labels.model }}, and yesterday at this hour they did.",
                        "nobody-calls-a-model",
                        "mlops status",
                    ),
                    _alert(
                        "ModelRecordsDropped",
                        "sum by (model) (increase(mlops_records_dropped_total[15m])) > 0",
                        "0m",
                        "Access records or predictions of {{ $labels.model }} can't be written.",
                        "records-are-lost",
                        "mlops doctor",
                    ),
                ],
            }
        ]
    }


def _share(window: str) -> str:
    """The share of calls that failed by our fault."""
    failed = f"sum by (model) (rate({ERRORS}[{window}]))"
    return f"{failed} / sum by (model) (rate({CALLS}[{window}]))"


def _alert(
    name: str, condition: str, wait: str, summary: str, runbook: str, command: str
) -> dict[str, Any]:
    page = f"{RUNBOOKS}/{runbook}.md"
    return {
        "alert": name,
        "expr": condition,
        "for": wait,
        "labels": {"severity": "page"},
        "annotations": {
            "summary": summary,
            "next": f"On its host, type: {command} ({page})",
            "runbook_url": page,
        },
    }
