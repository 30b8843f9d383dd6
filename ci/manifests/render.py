"""Manifests of a model from its contract and policies/deployment.yaml; the image is a digest.

They were held against the schemas of the API and were never run on a cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ci.contract.deployment import DeploymentPolicy
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.images.recipes import PORT, USER
from ci.manifests import rollout

if TYPE_CHECKING:
    from ci.contract.deployment import Kubernetes
    from ci.contract.model import ModelContract
    from ci.repository import Repository

Manifest = dict[str, Any]
BY_DIGEST = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}")
# What a process may still write: all that is not in its image lies in /tmp.
SCRATCH = "1Gi"
START_SECONDS = 300
# A new version never takes a place before it is ready.
GENTLY = {"maxSurge": 1, "maxUnavailable": 0}


def render(repository: Repository, model: str, image: str) -> list[Manifest]:
    """The manifests of ``model`` that run ``image``.

    Raises:
        MlopsError: ``not_a_digest`` where ``image`` is named by a tag; ``unknown_model``,
            ``bad_contract``, ``bad_policy``.
    """
    contract = load_model_contract(repository, model)
    policy = load_policy(repository, DeploymentPolicy)
    if not BY_DIGEST.fullmatch(image):
        raise MlopsError(
            "not_a_digest",
            f"{image!r} is not an image by digest, and what a tag names can change; give "
            "REGISTRY/NAME@sha256:…, as the push of the image printed it.",
        )
    own = policy.kubernetes
    workload = _workload(contract, policy, image)
    return [
        *workload,
        _service(model),
        _autoscaler(workload[0], own),
        _disruption_budget(model),
        _network_policy(model, own),
        _service_monitor(model),
    ]


def _workload(contract: ModelContract, policy: DeploymentPolicy, image: str) -> list[Manifest]:
    """A Deployment, or a Rollout and its analysis."""
    name, own = contract.name, policy.kubernetes
    pods = _pods(contract, own, image)
    if own.prometheus is None or policy.canary is None:
        gently = {"strategy": {"type": "RollingUpdate", "rollingUpdate": GENTLY}}
        return [_manifest("apps/v1", "Deployment", name, {**pods, **gently})]
    gently = {"strategy": rollout.strategy(name, policy.canary, GENTLY)}
    analysis = rollout.analysis(name, policy.canary, policy.objectives, own.prometheus)
    return [
        _manifest(rollout.API, "Rollout", name, {**pods, **gently}),
        _manifest(rollout.API, "AnalysisTemplate", name, analysis),
    ]


def _labels(model: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": model, "app.kubernetes.io/part-of": "kronkers-mlops"}


def _manifest(api: str, kind: str, model: str, spec: Manifest) -> Manifest:
    about = {"name": model, "labels": _labels(model)}
    return {"apiVersion": api, "kind": kind, "metadata": about, "spec": spec}


def _pods(contract: ModelContract, policy: Kubernetes, image: str) -> Manifest:
    """How many pods, and what is in them."""
    name = contract.name
    return {
        "replicas": policy.minimum,
        "selector": {"matchLabels": _labels(name)},
        "template": {
            "metadata": {"labels": _labels(name)},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(contract, policy, image)],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": SCRATCH}}],
            },
        },
    }


def _container(contract: ModelContract, policy: Kubernetes, image: str) -> Manifest:
    memory = contract.serving.max_memory_bytes * contract.serving.workers
    ready = {"httpGet": {"path": "/readyz", "port": "http"}}
    return {
        "name": "model",
        "image": image,
        "env": [{"name": "MLOPS_PRIVATE_NETWORK", "value": "true"}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": {**ready, "periodSeconds": 5, "failureThreshold": START_SECONDS // 5},
        "readinessProbe": {**ready, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": policy.cpu, "memory": str(memory // 4)},
            "limits": {"memory": str(memory)},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _service(model: str) -> Manifest:
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return _manifest("v1", "Service", model, {"selector": _labels(model), "ports": [port]})


def _autoscaler(workload: Manifest, policy: Kubernetes) -> Manifest:
    model = workload["metadata"]["name"]
    target = {"type": "Utilization", "averageUtilization": 70}
    spec = {
        "scaleTargetRef": {**{k: workload[k] for k in ("apiVersion", "kind")}, "name": model},
        "minReplicas": policy.minimum,
        "maxReplicas": policy.maximum,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _manifest("autoscaling/v2", "HorizontalPodAutoscaler", model, spec)


def _disruption_budget(model: str) -> Manifest:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(model)}}
    return _manifest("policy/v1", "PodDisruptionBudget", model, spec)


def _network_policy(model: str, policy: Kubernetes) -> Manifest:
    """Only the namespaces of the policy reach the model, and it reaches nobody."""
    named = "kubernetes.io/metadata.name"
    callers = [{"namespaceSelector": {"matchLabels": {named: each}}} for each in policy.callers]
    spec = {
        "podSelector": {"matchLabels": _labels(model)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": callers, "ports": [{"port": PORT, "protocol": "TCP"}]}],
        "egress": [],
    }
    return _manifest("networking.k8s.io/v1", "NetworkPolicy", model, spec)


def _service_monitor(model: str) -> Manifest:
    spec = {
        "selector": {"matchLabels": _labels(model)},
        "podTargetLabels": [rollout.POD_LABEL],
        "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s"}],
    }
    return _manifest("monitoring.coreos.com/v1", "ServiceMonitor", model, spec)
