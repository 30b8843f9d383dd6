"""Images of models in each language, built and run by a real engine."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bentos.build import bento_digest
from ci.contract.images import ImagesPolicy
from ci.contract.policy import load_policy
from ci.images.recipes import BENTO, BILL, PYTHON, USER
from ci.registry.versions import registered
from ci.repository import Repository
from ci.setup.locks import pins
from tests.containers.conftest import LANGUAGES, set_bases
from tests.e2e.test_documented_json import assert_documented
from tests.support.command import Done, mlops
from tests.support.podman import Podman
from tests.support.registry import serving
from tests.support.repositories import git, own_ports
from tests.support.services import LOCK, free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

READY_SECONDS = 120
BUILD_SECONDS = 1800.0
# What a careful operator gives it, and nothing that it would need beside.
HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=64m"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "1g",
    "nano_cpus": 1_000_000_000,
    "pids_limit": 200,
}
BUILD_TOOLS = "gcc cc g++ c++ gfortran make ld as cmake git pip pip3 uv"
TRAINING = ["nannyml", "mlflow", "dvc", "docker", "matplotlib", "pytest", "pip", "setuptools"]
PRICE = 2.5


@pytest.fixture(scope="module")
def built(engine: Podman, trained: Repository) -> dict[str, dict[str, Any]]:
    """Language → what `mlops package --image --json` printed."""
    return {language: packaged(engine, trained, language) for language in LANGUAGES}


def package(engine: Podman, repository: Repository, language: str) -> Done:
    command = ("package", f"sales-{language}", "--image", "--json")
    return mlops(repository.root, *command, env=engine.environment, seconds=BUILD_SECONDS)


def packaged(engine: Podman, repository: Repository, language: str) -> dict[str, Any]:
    done = package(engine, repository, language)
    assert done.code == 0, (done.stdout, done.stderr)
    document: dict[str, Any] = done.json
    return document


@contextmanager
def running(engine: Podman, image: str, *arguments: str, **options: Any) -> Iterator[Any]:
    container = engine.client.containers.run(
        image, list(arguments), detach=True, **{**HARDENED, **options}
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def wait_until(container: Any, ready: Any) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, container.logs().decode()
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def read(container: Any, path: str) -> tarfile.TarFile:
    stream, _ = container.get_archive(path)
    return tarfile.open(fileobj=io.BytesIO(b"".join(stream)))


def copy_of(trained: Repository, folder: Path) -> Repository:
    """A repository that a test may change."""
    repository = Repository(folder / "repository")
    shutil.copytree(trained.root, repository.root, symlinks=True)
    return repository


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_image_answers_with_nothing_but_what_it_needs(
    engine: Podman, trained: Repository, built: dict[str, Any], language: str
) -> None:
    port = free_port()
    arguments = ["127.0.0.1", str(port), "5"]
    image = built[language]["image"]["id"]
    with running(engine, image, *arguments, network_mode="host") as container:
        wait_until(container, lambda: answers(port))
        example = {"price": PRICE, "region": "north"}
        contract = yaml.safe_load(
            (trained.model_dir(f"sales-{language}") / "model.yaml").read_text()
        )
        row = {name: example[name] for name in contract["input"]}
        reply = httpx.post(f"http://127.0.0.1:{port}/predict", json={"rows": [row]})
        assert reply.status_code == 200, (reply.text, container.logs().decode())
        line = (trained.model_dir(f"sales-{language}") / "artifact" / "line.csv").read_text()
        intercept, slope = map(float, line.split(","))
        assert reply.json()["predictions"] == [pytest.approx(intercept + slope * PRICE)]
        status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == [str(USER)] * 4
        assert facts["Gid"].split() == [str(USER)] * 4
        assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
        write = container.exec_run([PYTHON, "-c", f"open('{BENTO}/x', 'w')"])
        assert write.exit_code == 1
        assert b"Read-only file system" in write.output
        container.stop(timeout=30)
        assert container.wait()["StatusCode"] == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_as_it_is_it_is_healthy_in_a_network_of_its_own(
    engine: Podman, built: dict[str, Any], language: str
) -> None:
    image = built[language]["image"]["id"]
    private = {"MLOPS_PRIVATE_NETWORK": "true"}
    with running(engine, image, network_mode="none", environment=private) as container:
        kind, *command = container.attrs["Config"]["Healthcheck"]["Test"]
        assert kind == "CMD"
        assert container.exec_run(command).exit_code != 0
        wait_until(container, lambda: container.exec_run(command).exit_code == 0)


def test_it_does_not_start_where_strangers_could_call_it(
    engine: Podman, built: dict[str, Any]
) -> None:
    with running(engine, built["python"]["image"]["id"], network_mode="none") as container:
        assert container.wait()["StatusCode"] == 1
        assert "Can't listen on 0.0.0.0: no API key was made" in container.logs().decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_where_it_comes_from_and_holds_the_bento(
    engine: Podman, trained: Repository, built: dict[str, Any], language: str, tmp_path: Path
) -> None:
    document = built[language]
    assert_documented("package", document)
    assert document["image"]["built"]
    image = engine.client.images.get(document["image"]["name"])
    assert image.id == document["image"]["id"]
    data = json.loads(image.labels["mlops.data"])
    assert list(data) == ["data/sales/tables/sales.csv"]
    commit = git(trained.root, "rev-parse", "HEAD").strip()
    assert image.labels["org.opencontainers.image.revision"] == commit
    assert image.labels["org.opencontainers.image.title"] == f"sales-{language}"
    assert image.labels["mlops.bento"] == document["bento"]
    assert image.labels["mlops.bento.sha256"] == document["digest"]
    container = engine.client.containers.create(image.id)
    read(container, BENTO).extractall(tmp_path, filter="data")
    assert bento_digest(tmp_path / "bento") == document["digest"]
    container.remove()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_carries_what_its_bill_says_and_nothing_to_build_or_train_with(
    engine: Podman, built: dict[str, Any], language: str
) -> None:
    text = Path(built[language]["image"]["sbom"]).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    addresses = [each.get("purl", "") for each in json.loads(text)["components"]]
    packages = {each.partition("?")[0].partition("@")[0] for each in addresses}
    python = {each.partition("@")[0] for each in addresses if each.startswith("pkg:pypi/")}
    assert python == {f"pkg:pypi/{name}" for name in pins(LOCK.read_text())}
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/python3.11"} <= packages
    own: dict[str, set[str]] = {
        "python": set(),
        "r": {"pkg:deb/debian/r-base-core", "pkg:cran/data.table"},
        "julia": {"pkg:generic/julia"},
    }
    assert own[language] <= packages
    assert not packages & set[str]().union(*(own[each] for each in LANGUAGES if each != language))

    image = built[language]["image"]["id"]
    find = f"for tool in {BUILD_TOOLS}; do command -v $tool; done; true"
    imports = f"import importlib.util as u; print([n for n in {TRAINING} if u.find_spec(n)])"
    with running(engine, image, entrypoint=["sleep", "600"], network_mode="none") as container:
        assert container.exec_run(["sh", "-c", find]).output == b""
        assert container.exec_run([PYTHON, "-c", imports]).output == b"[]\n"
        assert container.exec_run(["cat", BILL]).output.decode() == text


def test_a_second_time_nothing_is_built(
    engine: Podman, trained: Repository, built: dict[str, Any]
) -> None:
    before = sorted(image.id for image in engine.client.images.list(all=True))
    sbom = Path(built["r"]["image"]["sbom"])
    text = sbom.read_text()
    sbom.unlink()
    again = packaged(engine, trained, "r")
    assert again["image"]["built"] is False
    assert again["image"]["id"] == built["r"]["image"]["id"]
    assert sorted(image.id for image in engine.client.images.list(all=True)) == before
    assert sbom.read_text() == text


def test_after_a_changed_line_only_the_bento_is_laid_on_top_again(
    engine: Podman, trained: Repository, built: dict[str, Any], tmp_path: Path
) -> None:
    repository = copy_of(trained, tmp_path)
    predict = repository.model_dir("sales-python") / "predict.py"
    predict.write_text(predict.read_text() + "# another line\n")
    assert mlops(repository.root, "train", "sales-python").code == 0
    done = package(engine, repository, "python")
    assert done.code == 0, done.stderr
    steps = [line for line in done.stderr.splitlines() if line.startswith("Building the image")]
    assert {line.split(":")[0].removesuffix(" …") for line in steps} == {
        "Building the image sales-python"
    }
    old, new = (
        engine.client.images.get(document["image"]["id"]).attrs["RootFS"]["Layers"]
        for document in (built["python"], done.json)
    )
    assert old != new
    assert old[:-2] == new[:-2]  # the bill and the Bento are the last two


def test_what_apt_does_not_know_is_named(
    engine: Podman, trained: Repository, built: dict[str, Any], tmp_path: Path
) -> None:
    repository = copy_of(trained, tmp_path)
    lock = repository.model_dir("sales-r") / "renv.lock"
    lock.write_text('{"Packages": {"no.such.package": {}}}')
    assert mlops(repository.root, "train", "sales-r").code == 0
    done = package(engine, repository, "r")
    assert done.error == "image_failed"
    assert "Unable to locate package r-cran-no.such.package" in done.message


def test_a_base_with_a_compiler_is_refused(
    engine: Podman,
    trained: Repository,
    built: dict[str, Any],
    bases: dict[str, str],
    tmp_path: Path,
) -> None:
    base = bases["julia"].removeprefix("sha256:")
    text = f"FROM {base}\nCOPY gcc /usr/bin/gcc\nRUN chmod 755 /usr/bin/gcc\n"
    repository = copy_of(trained, tmp_path)
    set_bases(repository, {**bases, "julia": engine.build(text, gcc="#!/bin/sh\n")})
    done = package(engine, repository, "julia")
    assert done.error == "build_tools"
    assert "brings gcc (/usr/bin/gcc)" in done.message


def test_a_base_without_digest_and_an_engine_that_is_gone_are_refused(
    engine: Podman, trained: Repository, tmp_path: Path
) -> None:
    repository = copy_of(trained, tmp_path)
    nowhere = {"DOCKER_HOST": "unix:///nowhere.sock"}
    gone = mlops(repository.root, "package", "sales-julia", "--image", "--json", env=nowhere)
    assert gone.error == "no_engine"
    set_bases(repository, dict.fromkeys(LANGUAGES, "debian:bookworm-slim"))
    done = package(engine, repository, "julia")
    assert done.error == "base_without_digest"
    assert "mlops images lock" in done.message


@pytest.fixture
def registry(engine: Podman, tmp_path: Path) -> Iterator[str]:
    """The address of a real registry on this machine, which anybody may push to."""
    with serving(engine.registry_port, tmp_path) as address:
        yield address


def test_lock_pins_what_a_registry_has_now(
    engine: Podman, trained: Repository, registry: str, tmp_path: Path
) -> None:
    def push(content: str) -> None:
        image = engine.build("FROM scratch\nCOPY file /file\n", file=content)
        engine.client.images.get(image).tag(f"{registry}/base", "1")
        engine.client.images.push(f"{registry}/base", "1")
        engine.client.images.remove(f"{registry}/base:1", force=True)

    repository = copy_of(trained, tmp_path)
    set_bases(repository, dict.fromkeys(LANGUAGES, f"{registry}/base:1"))
    pinned = []
    for content in ("one", "two"):
        push(content)
        done = mlops(repository.root, "images", "lock", "--json", env=engine.environment)
        assert done.code == 0, done.stdout
        assert_documented("images lock", done.json)
        pinned.append(load_policy(repository, ImagesPolicy).bases.r)
    assert len(set(pinned)) == len(pinned)
    for each in pinned:
        name, _, digest = each.partition("@")
        assert name == f"{registry}/base:1"
        assert engine.client.images.pull(f"{registry}/base@{digest}").attrs["RepoDigests"]


def test_a_deployment_builds_the_image_of_each_language_and_serves_it(
    engine: Podman,
    trained: Repository,
    built: dict[str, Any],
    bases: dict[str, str],
    tmp_path: Path,
) -> None:
    repository = copy_of(trained, tmp_path)
    port = own_ports(repository.root, 28000)
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(f"{policy.read_text()}target: docker\ndocker: {{engine: {engine.host}}}\n")
    set_bases(repository, dict.fromkeys(LANGUAGES, "debian:bookworm-slim"))
    early = mlops(repository.root, "deploy", "sales-python", "--json")
    assert early.error == "base_without_digest"
    assert list(registered(repository, "sales-python")) == [], "refused before anything is kept"
    set_bases(repository, bases)
    for each in engine.client.images.list(filters={"label": "mlops.model"}):
        engine.client.images.remove(each.id, force=True)
    try:
        for language in LANGUAGES:
            name = f"sales-{language}"
            done = mlops(repository.root, "deploy", name, "--json", seconds=BUILD_SECONDS)
            assert done.code == 0, (done.stdout, done.stderr)
            assert f"Building the image {name}" in done.stderr
            url = f"http://127.0.0.1:{port}/{name}/predict"
            answer = httpx.post(url, json={"rows": [{"price": PRICE, "region": "north"}]})
            assert (answer.status_code, answer.json()["version"]) == (200, 1)
        predict = repository.model_dir("sales-python") / "predict.py"
        predict.write_text(predict.read_text() + "# another line\n")
        for command in ("train", "deploy", "rollback"):
            assert mlops(repository.root, command, "sales-python").code == 0
        url = f"http://127.0.0.1:{port}/sales-python/metadata"
        assert httpx.get(url).json()["version"] == 1
    finally:
        assert mlops(repository.root, "stop").code == 0
    assert engine.client.containers.list(all=True) == []
