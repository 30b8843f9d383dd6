"""Manifests for Kubernetes hold against the schemas of its API, and name images by digest only.

`kubernetes/schemas.json` is cut from the package kubernetes-validate 1.37.0 (Kubernetes 1.37, keys
that are not known are errors): five kinds and what they are made of, without descriptions, status.
`kubernetes/operators.json` is cut from the packages @kubernetes-models/argo-rollouts 0.3.2 and
@kubernetes-models/prometheus-operator 1.6.3 (MIT): what Argo's and Prometheus' operators take, here
too with unknown keys as errors, and of strategies, steps and metrics only what can be written here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from ci.errors import MlopsError
from ci.images.recipes import PORT, USER
from ci.manifests import render
from ci.manifests.render import Manifest
from ci.repository import Repository
from tests.support.command import mlops
from tests.support.programs import bring_program
from tests.support.repositories import new_repository, write_model

SCHEMAS = {
    "$defs": {
        name: schema
        for path in sorted((Path(__file__).parent / "kubernetes").glob("*.json"))
        for name, schema in json.loads(path.read_text())["$defs"].items()
    }
}
KINDS = {
    ("apps/v1", "Deployment"): "io.k8s.api.apps.v1.Deployment",
    ("v1", "Service"): "io.k8s.api.core.v1.Service",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"
    ),
    ("policy/v1", "PodDisruptionBudget"): "io.k8s.api.policy.v1.PodDisruptionBudget",
    ("networking.k8s.io/v1", "NetworkPolicy"): "io.k8s.api.networking.v1.NetworkPolicy",
}
MONITOR = {("monitoring.coreos.com/v1", "ServiceMonitor")}
ROLLOUT = {("argoproj.io/v1alpha1", kind) for kind in ("Rollout", "AnalysisTemplate")}
IMAGE = f"registry.example.com/mlops/first@sha256:{'a' * 64}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "first", serving={"workers": 2, "max_memory_bytes": 1 << 30})
    return made


def validate(manifest: Manifest) -> None:
    kind = manifest["apiVersion"], manifest["kind"]
    name = KINDS.get(kind, "/".join(kind)).replace("/", "~1")
    Draft202012Validator({**SCHEMAS, "$ref": f"#/$defs/{name}"}).validate(manifest)


def kinds(manifests: list[Manifest]) -> set[tuple[str, str]]:
    return {(each["apiVersion"], each["kind"]) for each in manifests}


def declare(repository: Repository, **more: Any) -> None:
    """Add to policies/deployment.yaml."""
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(yaml.safe_dump({**yaml.safe_load(policy.read_text()), **more}))


@pytest.fixture
def analysed(repository: Repository) -> Repository:
    """Its cluster has Argo Rollouts and Prometheus."""
    declare(
        repository,
        canary={"share": 10, "seconds": 300},
        kubernetes={"prometheus": "http://prometheus.monitoring:9090"},
        objectives={"available": 0.99, "p99_seconds": 0.5},
    )
    return repository


def by_kind(manifests: list[Manifest]) -> dict[str, Any]:
    return {each["kind"]: each for each in manifests}


def test_each_manifest_holds_against_the_schema_of_its_kind(repository: Repository) -> None:
    found = render(repository, "first", IMAGE)
    assert kinds(found) == set(KINDS) | MONITOR
    for each in found:
        validate(each)


def test_a_rollout_takes_the_deployments_place_and_its_analysis_asks_prometheus(
    repository: Repository, analysed: Repository
) -> None:
    found = render(analysed, "first", IMAGE)
    assert kinds(found) == (set(KINDS) | MONITOR | ROLLOUT) - {("apps/v1", "Deployment")}
    for each in found:
        validate(each)
    made = by_kind(found)
    declare(repository, kubernetes={})
    before = by_kind(render(repository, "first", IMAGE))["Deployment"]["spec"]
    spec = made["Rollout"]["spec"]
    assert spec["template"] == before["template"]
    weight, analysis = spec["strategy"]["canary"]["steps"]
    assert weight == {"setWeight": 10}
    (template,) = analysis["analysis"]["templates"]
    assert template["templateName"] == made["AnalysisTemplate"]["metadata"]["name"]
    asked = {each["name"]: each for each in made["AnalysisTemplate"]["spec"]["metrics"]}
    assert asked["errors"]["successCondition"].endswith("result[0] <= 0.01")
    assert asked["p99"]["successCondition"].endswith("result[0] <= 0.5")
    for each in asked.values():
        assert (each["interval"], each["count"]) == ("60s", 5)
        given = each["provider"]["prometheus"]
        assert given["address"] == "http://prometheus.monitoring:9090"
        assert 'model="first",rollouts_pod_template_hash="{{args.hash}}"}[60s]' in given["query"]
    assert analysis["analysis"]["args"][0]["name"] == "hash"
    assert made["ServiceMonitor"]["spec"]["podTargetLabels"] == ["rollouts-pod-template-hash"]
    scaled = made["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (scaled["apiVersion"], scaled["kind"]) == ("argoproj.io/v1alpha1", "Rollout")


def test_prometheus_can_read_what_it_is_asked(analysed: Repository, tmp_path: Path) -> None:
    template = by_kind(render(analysed, "first", IMAGE))["AnalysisTemplate"]
    rules = [
        {
            "record": f"asked:{each['name']}",
            "expr": each["provider"]["prometheus"]["query"].replace("{{args.hash}}", "7d9f"),
        }
        for each in template["spec"]["metrics"]
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    done = subprocess.run(
        [bring_program("prometheus", "promtool"), "check", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "2 rules found" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("kind", ["Rollout", "AnalysisTemplate", "ServiceMonitor"])
def test_the_operators_schemas_complain_about_what_is_wrong(
    analysed: Repository, kind: str
) -> None:
    manifest = by_kind(render(analysed, "first", IMAGE))[kind]
    manifest["spec"]["unknown"] = 3
    with pytest.raises(ValidationError):
        validate(manifest)


def test_a_rollout_needs_a_canary(repository: Repository) -> None:
    declare(repository, kubernetes={"prometheus": "http://prometheus.monitoring:9090"})
    with pytest.raises(MlopsError, match="there is no canary; write one") as caught:
        render(repository, "first", IMAGE)
    assert caught.value.code == "bad_policy"


@pytest.mark.parametrize("key", ["replica", "selector", "template"])
def test_the_schemas_complain_about_what_is_wrong(repository: Repository, key: str) -> None:
    deployment = by_kind(render(repository, "first", IMAGE))["Deployment"]
    deployment["spec"][key] = 3
    with pytest.raises(ValidationError):
        validate(deployment)


def test_they_fit_together_and_follow_from_contract_and_policy(repository: Repository) -> None:
    policy = repository.policies_dir / "deployment.yaml"
    own = {"minimum": 3, "maximum": 9, "cpu": "250m", "callers": ["shop", "monitoring"]}
    policy.write_text(yaml.safe_dump({**yaml.safe_load(policy.read_text()), "kubernetes": own}))
    found = by_kind(render(repository, "first", IMAGE))
    spec = found["Deployment"]["spec"]
    pod = spec["template"]
    (container,) = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"]
    selectors = [
        spec["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(each == labels for each in selectors)
    assert (
        found["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        == (found["Service"]["metadata"]["labels"])
    )
    assert container["image"] == IMAGE
    assert container["resources"]["limits"]["memory"] == str(2 << 30)
    assert container["resources"]["requests"]["cpu"] == "250m"
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["spec"]["securityContext"]["runAsUser"] == USER
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert (spec["replicas"], scaler["minReplicas"], scaler["maxReplicas"]) == (3, 3, 9)
    assert scaler["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    (rule,) = found["NetworkPolicy"]["spec"]["ingress"]
    named = [each["namespaceSelector"]["matchLabels"] for each in rule["from"]]
    assert [list(each.values()) for each in named] == [["shop"], ["monitoring"]]
    assert found["NetworkPolicy"]["spec"]["egress"] == []


@pytest.mark.parametrize(
    "image",
    ["mlops/first:latest", "mlops/first", f"sha256:{'a' * 64}", f"x:1@sha256:{'a' * 63}", "@", ""],
)
def test_an_image_by_tag_is_refused(repository: Repository, image: str) -> None:
    with pytest.raises(MlopsError) as caught:
        render(repository, "first", image)
    assert caught.value.code == "not_a_digest"


@pytest.mark.parametrize(
    "own",
    [
        {"minimum": 4, "maximum": 3},
        {"minimum": 0},
        {"callers": []},
        {"cpu": "much"},
        {"prometheus": "monitoring"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    repository: Repository, own: dict[str, object]
) -> None:
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(yaml.safe_dump({**yaml.safe_load(policy.read_text()), "kubernetes": own}))
    with pytest.raises(MlopsError) as caught:
        render(repository, "first", IMAGE)
    assert caught.value.code == "bad_policy"


def test_the_command_prints_what_a_controller_reads(repository: Repository) -> None:
    done = mlops(repository.root, "render", "first", "--image", IMAGE)
    assert list(yaml.safe_load_all(done.stdout)) == render(repository, "first", IMAGE)
    refused = mlops(repository.root, "render", "first", "--image", "x:1")
    assert (refused.code, refused.stdout) == (1, "")
    assert "is not an image by digest" in refused.stderr
