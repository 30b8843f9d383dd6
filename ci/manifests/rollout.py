"""An Argo Rollout in a Deployment's place: some pods are new, and an analysis decides on the rest.

The analysis asks Prometheus for what `policies/deployment.yaml` promises of every model. Argo's
controller goes back by itself where an answer is out of bounds, or where there is none.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from ci.observe.rules import CALLS, ERRORS

if TYPE_CHECKING:
    from ci.contract.deployment import Canary, Objectives

    Spec = dict[str, Any]

API = "argoproj.io/v1alpha1"
LOOKS = 5
SHORTEST_SECONDS = 60
# Argo's controller labels its pods with this; ServiceMonitor hands it to Prometheus.
POD_LABEL = "rollouts-pod-template-hash"
# Then a share and a quantile have no value, which is no failure.
NOBODY_CALLS = "len(result) == 0 || isNaN(result[0])"


def strategy(model: str, canary: Canary, gently: Spec) -> Spec:
    """The share of pods that are new first, and the analysis that has to pass before the rest."""
    hash_of_new = {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}
    analysis = {"templates": [{"templateName": model}], "args": [hash_of_new]}
    share = min(99, max(1, round(canary.share)))
    return {"canary": {**gently, "steps": [{"setWeight": share}, {"analysis": analysis}]}}


def analysis(model: str, canary: Canary, objectives: Objectives, prometheus: str) -> Spec:
    """What is asked of Prometheus, LOOKS times within the canary's time."""
    every = ceil(canary.seconds / LOOKS)
    window = f"[{max(SHORTEST_SECONDS, every)}s]"
    failing = f"sum(rate({_new(ERRORS, model)}{window})) / sum(rate({_new(CALLS, model)}{window}))"
    buckets = _new("mlops_predict_seconds_bucket{}", model)
    slow = f"histogram_quantile(0.99, sum by (le) (rate({buckets}{window})))"
    most = {"errors": round(1 - objectives.available, 6), "p99": objectives.p99_seconds}
    return {
        "args": [{"name": "hash"}],
        "metrics": [
            {
                "name": name,
                "initialDelay": f"{every}s",
                "interval": f"{every}s",
                "count": LOOKS,
                "successCondition": f"{NOBODY_CALLS} || result[0] <= {most[name]:g}",
                "provider": {"prometheus": {"address": prometheus, "query": query}},
            }
            for name, query in (("errors", failing), ("p99", slow))
        ],
    }


def _new(series: str, model: str) -> str:
    """``series`` (``name{labels}``) of the model's new pods alone."""
    name, _, labels = series.removesuffix("}").partition("{")
    wanted = [labels, f'model="{model}"', 'rollouts_pod_template_hash="{{args.hash}}"']
    return f"{name}{{{','.join(filter(None, wanted))}}}"
