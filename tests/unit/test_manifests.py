"""Manifests for Kubernetes hold against the schemas of its API, and name images by digest only.

`kubernetes/schemas.json` is cut from the package kubernetes-validate 1.37.0 (Kubernetes 1.37, keys
that are not known are errors): five kinds and what they are made of, without descriptions, status.
"""

from __future__ import annotations

import json
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
from tests.support.repositories import new_repository, write_model

SCHEMAS = json.loads((Path(__file__).parent / "kubernetes" / "schemas.json").read_text())
KINDS = {
    ("apps/v1", "Deployment"): "io.k8s.api.apps.v1.Deployment",
    ("v1", "Service"): "io.k8s.api.core.v1.Service",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"
    ),
    ("policy/v1", "PodDisruptionBudget"): "io.k8s.api.policy.v1.PodDisruptionBudget",
    ("networking.k8s.io/v1", "NetworkPolicy"): "io.k8s.api.networking.v1.NetworkPolicy",
}
IMAGE = f"registry.example.com/mlops/first@sha256:{'a' * 64}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "first", serving={"workers": 2, "max_memory_bytes": 1 << 30})
    return made


def validate(manifest: Manifest) -> None:
    name = KINDS[manifest["apiVersion"], manifest["kind"]]
    Draft202012Validator({**SCHEMAS, "$ref": f"#/$defs/{name}"}).validate(manifest)


def by_kind(manifests: list[Manifest]) -> dict[str, Any]:
    return {each["kind"]: each for each in manifests}


def test_each_manifest_holds_against_the_schema_of_its_kind(repository: Repository) -> None:
    found = render(repository, "first", IMAGE)
    own = [each for each in found if each["kind"] != "ServiceMonitor"]
    assert {(each["apiVersion"], each["kind"]) for each in own} == set(KINDS)
    for each in own:
        validate(each)


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
    "own", [{"minimum": 4, "maximum": 3}, {"minimum": 0}, {"callers": []}, {"cpu": "much"}]
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
