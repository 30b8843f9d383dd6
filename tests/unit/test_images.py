"""Images without an engine, or with a stand-in of one: what is asked of it, and what is refused."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import ci
from ci.contract.images import ImagesPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.images.bases import Base, base_of, lock
from ci.images.bill import bill
from ci.images.engine import connect, write_context
from ci.images.inventory import Inventory, hold
from ci.images.lineage import Lineage, labels
from ci.images.recipes import (
    Recipe,
    julia_packages,
    model_recipe,
    packages_recipe,
    runtime_recipe,
)
from ci.repository import Repository
from ci.setup import julia
from ci.yaml_file import ProblemsError
from tests.support import services
from tests.support.repositories import new_repository
from tests.support.stand_in_engine import StandIn, stand_in

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
BASE = Base("debian:bookworm-slim", DIGEST)
INSIDE = Path(ci.__file__).parent / "images" / "inside.py"
DEV = "setuptools==80.0 \\\n    --hash=sha256:00\n"
SERVING = "numpy==2.4.6 \\\n    --hash=sha256:11\nsimple-di==0.1.5 \\\n    --hash=sha256:22\n"
LINEAGE = Lineage(
    model="tiny",
    owner="marketing",
    language="r",
    description="Doubles x.",
    fingerprint="f" * 40,
    bento=f"tiny:{'f' * 40}",
    bento_digest="c" * 64,
    run_id="run",
    git_commit="d" * 40,
    trained_at="2026-01-01T00:00:00+00:00",
    data={"data/sales/tables/sales.csv": "e" * 32},
)
INVENTORY = Inventory(
    architecture="amd64",
    debian=[["libc6", "2.36-9+deb12u14", ""], ["r-base-core", "4.2.2.20221110-2", ""]],
    julia="1.10.10",
    programs={},
    python=[["numpy", "2.4.6", "BSD-3-Clause"], ["simple_di", "0.1.5", ""]],
    r=[["R", "4.2.2", ""], ["data.table", "1.14.8", "MPL-2.0 | file LICENSE"]],
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with stand_in(tmp_path) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


def set_bases(repository: Repository, **bases: str) -> None:
    lines = [f"  {language}: {base}\n" for language, base in bases.items()]
    (repository.policies_dir / "images.yaml").write_text("bases:\n" + "".join(lines))


def test_the_shipped_policy_names_the_julia_that_setup_installs(repository: Repository) -> None:
    bases = load_policy(repository, ImagesPolicy).bases
    assert bases.julia.startswith(f"julia:{julia.VERSION}-")


@pytest.mark.parametrize("written", ["debian:bookworm-slim", "debian", "localhost:5000/debian"])
def test_a_base_without_digest_is_refused(repository: Repository, written: str) -> None:
    set_bases(repository, python=written, r=f"{written}@{DIGEST}", julia=DIGEST)
    with pytest.raises(MlopsError) as error:
        base_of(repository, "python")
    assert error.value.code == "base_without_digest"
    assert "mlops images lock" in error.value.message
    assert base_of(repository, "r") == Base(written, DIGEST)
    assert base_of(repository, "julia") == Base("", DIGEST)


@pytest.mark.parametrize(
    "written",
    ["debian@sha256:12", "Debian:12", "debian:12 AS x", "'-v/:/host'", "'debian\\nRUN x'", "''"],
)
def test_what_is_no_reference_is_refused(repository: Repository, written: str) -> None:
    set_bases(repository, python=written, r=DIGEST, julia=DIGEST)
    with pytest.raises(ProblemsError) as error:
        base_of(repository, "r")
    assert (error.value.code, error.value.problems[0].line) == ("bad_policy", 2)


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("debian:bookworm-slim", f"debian@{DIGEST}"),
        ("localhost:5000/debian", f"localhost:5000/debian@{DIGEST}"),
        ("localhost:5000/debian:12", f"localhost:5000/debian@{DIGEST}"),
        ("", "a" * 64),
    ],
)
def test_from_names_the_digest_and_no_tag(name: str, pinned: str) -> None:
    assert Base(name, DIGEST).pinned == pinned


def test_lock_writes_digests_and_leaves_the_rest(repository: Repository, engine: StandIn) -> None:
    path = repository.policies_dir / "images.yaml"
    before = path.read_text()
    engine.digests = {"debian:bookworm-slim": DIGEST, f"julia:{julia.VERSION}-bookworm": OTHER}
    lock(repository, connect())
    assert base_of(repository, "r") == BASE
    assert base_of(repository, "julia").digest == OTHER
    assert path.read_text().replace(f"@{DIGEST}", "").replace(f"@{OTHER}", "") == before
    engine.digests["debian:bookworm-slim"] = OTHER
    python, r, of_julia = lock(repository, connect())
    assert (python.before, python.now) == (f"{BASE.name}@{DIGEST}", f"{BASE.name}@{OTHER}")
    assert r.now == python.now
    assert of_julia.before == of_julia.now
    assert path.read_text().replace(f"@{OTHER}", "") == before


def test_lock_tells_names_apart_that_begin_alike(repository: Repository, engine: StandIn) -> None:
    set_bases(repository, python="debian", r="debian:12", julia=DIGEST)
    engine.digests = {"debian": DIGEST, "debian:12": OTHER}
    lock(repository, connect())
    assert base_of(repository, "python") == Base("debian", DIGEST)
    assert base_of(repository, "r") == Base("debian:12", OTHER)
    assert base_of(repository, "julia") == Base("", DIGEST)


def test_lock_changes_nothing_where_a_registry_does_not_answer(
    repository: Repository, engine: StandIn
) -> None:
    path = repository.policies_dir / "images.yaml"
    before = path.read_text()
    engine.digests = {"debian:bookworm-slim": DIGEST}
    with pytest.raises(MlopsError) as error:
        lock(repository, connect())
    assert error.value.code == "engine_refused"
    assert f"could not look up julia:{julia.VERSION}-bookworm" in error.value.message
    assert path.read_text() == before


@pytest.mark.parametrize("host", ["unix:///nowhere.sock", "tcp://127.0.0.1:9", "bad://host"])
def test_no_engine_is_one_sentence(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(MlopsError) as error:
        connect()
    assert error.value.code == "no_engine"
    assert f"No container engine answers at {host}: start Docker" in error.value.message


def test_an_engine_that_goes_while_it_builds_is_one_sentence(
    engine: StandIn, tmp_path: Path
) -> None:
    engine.said, engine.breaks_off = [{"stream": "STEP 1/2\n"}], True
    with pytest.raises(MlopsError) as error:
        connect().build(Recipe("tiny", "FROM x\n", {}), tmp_path / "log")
    assert error.value.code == "no_engine"
    assert (tmp_path / "log").read_text() == "STEP 1/2\n"


def test_a_step_that_fails_is_named_by_what_its_program_said(
    engine: StandIn, tmp_path: Path
) -> None:
    engine.said = [
        {"stream": "STEP 1/2: FROM x\nE: of another step\nSTEP 2/2: RUN apt-get\n"},
        {"stream": "E"},  # as it comes, a line may be in pieces
        {"stream": ": "},
        {"stream": "Unable to locate package r-cran-nothing\nE: Couldn't find any by regex\n"},
        {"error": "building at STEP 2: exit status 100\n"},
    ]
    with pytest.raises(MlopsError) as error:
        connect().build(Recipe("runtime-r", "FROM x\n", {}), tmp_path / "log")
    assert error.value.code == "image_failed"
    assert "E: Unable to locate package r-cran-nothing; all that" in error.value.message
    assert "\n" not in error.value.message
    assert str(tmp_path / "log") in error.value.message


def test_a_changed_model_leaves_what_is_below_it_as_it_was(tmp_path: Path) -> None:
    packages = packages_recipe(BASE, SERVING, DEV)
    runtime = runtime_recipe(BASE, packages, "r", tmp_path)
    bento = services.build_tiny(tmp_path, "r")
    one = model_recipe(runtime, bento, b"bill", labels(LINEAGE, BASE), "1")
    assert one.key == model_recipe(runtime, bento, b"other", labels(LINEAGE, BASE), "1").key
    changed = replace(LINEAGE, bento_digest="0" * 64)
    assert one.key != model_recipe(runtime, bento, b"bill", labels(changed, BASE), "1").key
    assert f"FROM {runtime.tag}\n" in one.text


def test_what_is_below_changes_with_the_base_and_the_locks(tmp_path: Path) -> None:
    def key(base: Base = BASE, serving: str = SERVING, dev: str = DEV) -> str:
        packages = packages_recipe(base, serving, dev)
        return runtime_recipe(BASE, packages, "r", tmp_path).key

    keys = [
        key(),
        key(base=Base(BASE.name, OTHER)),
        key(serving=SERVING.replace("11", "12")),
        key(dev=DEV.replace("00", "01")),
    ]
    assert len(set(keys)) == len(keys)
    (tmp_path / "renv.lock").write_text('{"Packages": {"data.table": {}}}')
    assert key() != keys[0]


def test_packages_come_by_their_hashes_and_serve_without_pip(tmp_path: Path) -> None:
    packages = packages_recipe(BASE, SERVING, DEV)
    installs = re.findall(r"pip install (?:.|\\\n)*?(?=\n&&|\n &&|$)", packages.text)
    assert len(installs) == 2
    assert all("--require-hashes" in each for each in installs)
    assert packages.files["locks/serving.txt"] == SERVING.encode()
    runtime = runtime_recipe(BASE, packages, "python", tmp_path).text
    assert "pip" not in runtime
    assert f"COPY --from={packages.tag} " in runtime


def test_r_gets_the_packages_of_its_lock(tmp_path: Path) -> None:
    (tmp_path / "renv.lock").write_text('{"Packages": {"data.table": {}, "Matrix": {}}}')
    packages = packages_recipe(BASE, SERVING, DEV)
    text = runtime_recipe(BASE, packages, "r", tmp_path).text
    assert "python3 r-base-core r-cran-data.table r-cran-matrix &&" in text
    (tmp_path / "renv.lock").write_text("[]")
    with pytest.raises(MlopsError, match="is not a lock that renv writes"):
        runtime_recipe(BASE, packages, "r", tmp_path)


OLD_MANIFEST = """
[[Dates]]
deps = ["Printf"]
uuid = "ade2ca70-3891-5945-98fb-dc099432e06a"

[[Example]]
git-tree-sha1 = "46e44e869b4d90b96bd8ed1fdcf32244fddfb6cc"
uuid = "7876af07-990d-54b4-ab0e-23690620f79a"
version = "0.5.3"
"""
NEW_MANIFEST = 'julia_version = "1.10.10"\nmanifest_format = "2.0"\n' + OLD_MANIFEST.replace(
    "[[", "[[deps."
)


@pytest.mark.parametrize("manifest", [OLD_MANIFEST, NEW_MANIFEST], ids=["1.0", "2.0"])
def test_julia_gets_the_packages_of_its_manifest(tmp_path: Path, manifest: str) -> None:
    packages = packages_recipe(BASE, SERVING, DEV)
    assert "Pkg" not in runtime_recipe(BASE, packages, "julia", tmp_path).text
    (tmp_path / "Manifest.toml").write_text(manifest)
    (tmp_path / "Project.toml").write_text("[deps]\n")
    assert julia_packages(tmp_path) == {"Example": "0.5.3"}
    recipe = runtime_recipe(BASE, packages, "julia", tmp_path)
    assert "Pkg.instantiate()" in recipe.text
    assert set(recipe.files) == {"julia/Manifest.toml", "julia/Project.toml"}
    (tmp_path / "Manifest.toml").write_text("[[x\n")
    with pytest.raises(MlopsError) as error:
        runtime_recipe(BASE, packages, "julia", tmp_path)
    assert error.value.code == "bad_manifest"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    bento = services.build_tiny(tmp_path, "r")
    recipe = Recipe("tiny", "FROM x\n", {}, {"bento": bento, "bill": b"{}"})

    def written() -> bytes:
        target = io.BytesIO()
        write_context(target, recipe)
        return target.getvalue()

    first = written()
    (bento / "bento.yaml").touch()
    assert written() == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        found = {each.name: each for each in archive}
    assert {"Containerfile", "bill", "bento/bento.yaml", "bento/src/contract.json"} <= set(found)
    assert {(each.uid, each.mode) for each in found.values()} == {(0, 0o644)}


def test_a_base_with_build_tools_is_refused() -> None:
    hold(INVENTORY, SERVING, BASE.name)
    with pytest.raises(MlopsError) as error:
        hold(replace(INVENTORY, programs={"gcc": "/usr/bin/gcc"}), SERVING, "python:3.11")
    assert error.value.code == "build_tools"
    assert "python:3.11 brings gcc (/usr/bin/gcc)" in error.value.message


@pytest.mark.parametrize(
    "python",
    [
        [*INVENTORY.python, ["nannyml", "0.13.1", ""]],
        INVENTORY.python[:1],
        [["numpy", "2.4.5", ""], INVENTORY.python[1]],
    ],
    ids=["more", "fewer", "another version"],
)
def test_other_packages_than_the_serving_lock_are_refused(python: list[list[str]]) -> None:
    with pytest.raises(MlopsError) as error:
        hold(replace(INVENTORY, python=python), SERVING, BASE.name)
    assert error.value.code == "other_packages"


def test_the_bill_fits_its_schema_and_names_what_is_in_the_image() -> None:
    text = bill(LINEAGE, INVENTORY, {"Example": "0.5.3"}).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert bill(LINEAGE, INVENTORY, {"Example": "0.5.3"}).decode() == text
    found = json.loads(text)
    assert {each["purl"] for each in found["components"] if "purl" in each} == {
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64",
        "pkg:deb/debian/r-base-core@4.2.2.20221110-2?arch=amd64",
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/simple-di@0.1.5",
        "pkg:cran/data.table@1.14.8",
        "pkg:generic/julia@1.10.10",
        "pkg:julia/Example@0.5.3",
    }
    [model] = [each for each in found["components"] if each["type"] == "machine-learning-model"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": LINEAGE.bento_digest}]
    [data] = [each for each in found["components"] if each["type"] == "data"]
    assert data["name"] in LINEAGE.data
    [numpy] = [each for each in found["components"] if each["name"] == "numpy"]
    assert [each["license"]["id"] for each in numpy["licenses"]] == ["BSD-3-Clause"]
    [table] = [each for each in found["components"] if each["name"] == "data.table"]
    assert "licenses" not in table


def test_labels_say_where_an_image_comes_from() -> None:
    found = labels(LINEAGE, BASE)
    assert found["org.opencontainers.image.revision"] == LINEAGE.git_commit
    assert found["org.opencontainers.image.base.digest"] == DIGEST
    assert found["mlops.bento.sha256"] == LINEAGE.bento_digest
    assert json.loads(found["mlops.data"]) == LINEAGE.data
    assert "org.opencontainers.image.revision" not in labels(
        replace(LINEAGE, git_commit=None), BASE
    )


def test_the_program_that_looks_inside_needs_no_package() -> None:
    command = [sys.executable, "-I", "-S", "-c", INSIDE.read_text()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    inventory = Inventory(**json.loads(printed))
    assert inventory.architecture
    assert "libc6" in [name for name, *_ in inventory.debian]
    assert "R" in [name for name, *_ in inventory.r]
    assert inventory.julia
