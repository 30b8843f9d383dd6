"""Files as strangers push them: whatever is in them, the pull request gets its answer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ci.contract.model import load_model_contract
from ci.files import read_yaml_quickly
from ci.fingerprint import fingerprint
from ci.plan import plan
from ci.repository import Repository
from ci.review import look as looking
from ci.review.decide import decide
from ci.review.scope import scope_of
from ci.review.source import source
from ci.yaml_file import ProblemsError, read_yaml
from tests.support.repositories import commit_all, git, new_repository, write_dataset, write_model

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
STRANGE = {
    "more values than memory": (f"{LAUGHS}language: *i\n", "stands for more than 200,000 values"),
    "an alias of itself": ("language: &a [*a]\n", "nested too deeply"),
    "brackets": (f"language: {'[' * 100_000}", "nested too deeply"),
    "braces in quotes": ("x: '" + "[" * 900 + "'\nlanguage: []", None),
    "dashes": (f"{'- ' * 100_000}x", "nested too deeply"),
    "depth": ("x:\n" + "".join(f"{' ' * n}- \n" for n in range(1, 150)), "nested too deeply"),
    "length": ("x: " + "y" * (5 << 20), "longer than 4,194,304 characters"),
    "no day": ("language: 2026-02-30\n", "a.yaml:1: .*'2026-02-30' is no value"),
    "no number": (f"language: {'9' * 5_000}\n", "is no value"),
    "a tag that lies": ("language: !!int twelve\n", "is no value"),
    "a list as a key": ("? [a, b]\n: c\n", "a key is one word"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_yaml_that_would_end_its_reader_is_a_sentence(tmp_path: Path, case: str) -> None:
    text, said = STRANGE[case]
    path = tmp_path / "a.yaml"
    path.write_text(text)
    if said is None:
        assert read_yaml_quickly(path) == read_yaml(path, "a.yaml").data != {}
        return
    assert read_yaml_quickly(path) == {}
    with pytest.raises(ProblemsError, match=said):
        read_yaml(path, "a.yaml")


def test_anchors_of_people_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: &base {type: number, minimum: 0}\nprice: {<<: *base, maximum: 9}\n")
    whole = {"type": "number", "minimum": 0, "maximum": 9}
    assert read_yaml_quickly(path)["price"] == read_yaml(path, "a.yaml").data["price"] == whole


@pytest.fixture
def base(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, "first")
    write_model(made, "second", depends_on=["first"])
    commit_all(made.root)
    git(made.root, "checkout", "-q", "-b", "work")
    return made


BROKEN = {
    "models/second/model.yaml": ["depends_on: 5", "depends_on: [[first]]", "datasets: {sales: 1}"],
    "models/first/dvc.yaml": ["stages: [a]", "stages: {a: [b]}", "stages: {a: {outs: 5, deps: x}}"],
    "data/sales/dvc.yaml": ["stages: {a: null}", "stages: {a: {deps: 7}}"],
    "data/sales/dvc.lock": ["stages: {a: {outs: [b]}}", "stages: {a: {outs: [{md5: c}]}}"],
}


@pytest.mark.parametrize(("file", "text"), [(f, t) for f, each in BROKEN.items() for t in each])
def test_a_file_of_another_shape_is_no_end_of_the_plan(
    base: Repository, tmp_path: Path, file: str, text: str
) -> None:
    (base.root / file).write_text(f"{text}\n")
    (base.models_dir / "first" / "train.py").write_text("print(1)\n")
    head = commit_all(base.root)
    assert "first" in [touched.name for touched in plan(base, "main")]
    assert len(fingerprint(base, "first")) == 40
    git(base.root, "checkout", "-q", "main")
    assert "first" in scope_of(base, source(base, head, tmp_path / "merged")).names


def test_a_mistyped_day_names_its_line(base: Repository) -> None:
    path = base.models_dir / "first" / "model.yaml"
    path.write_text(path.read_text() + "\nsince: 2026-02-30\n")
    line = path.read_text().splitlines().index("since: 2026-02-30") + 1
    with pytest.raises(ProblemsError, match=rf"models/first/model.yaml:{line}: .*day is out"):
        load_model_contract(base, "first")


def test_names_that_no_disk_takes_are_left_out_and_refused(
    base: Repository, tmp_path: Path
) -> None:
    """Git holds names of any bytes: two that look alike, and one longer than a disk has."""
    blob = git(base.root, "rev-parse", "main:models/first/train.py").strip()
    names = [b"a\xff", b"a\xfe/b", b"x" * 256, "\u00e4".encode() * 128, b"a/" * 50 + b"b", b"fine"]
    listed = b"".join(b"100644 %s\tmodels/first/%s\0" % (blob.encode(), name) for name in names)
    subprocess.run(
        ["git", "update-index", "-z", "--index-info"], input=listed, cwd=base.root, check=True
    )
    git(base.root, "commit", "-q", "-m", "Names")
    head = git(base.root, "rev-parse", "HEAD").strip()
    git(base.root, "checkout", "-q", "-f", "main")
    merged = source(base, head, tmp_path / "merged")
    assert (merged.root / "models/first/fine").is_file()
    assert len(merged.links) == 5
    assert scope_of(base, merged).names == ["first", "second"]


def test_whatever_else_is_in_it_there_is_an_answer(
    base: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(*_given: object) -> None:
        raise RecursionError("x" * 10_000)

    head = commit_all(base.root)
    monkeypatch.setattr(looking, "fetch", lambda *_given: None)
    monkeypatch.setattr(looking, "scope_of", bad)
    github: Any = None  # nothing is asked of it
    found = looking.look(github, base, {"number": 1, "head": {"sha": head}}, tmp_path / "scratch")
    decision = decide(found.facts)
    assert decision.state == "failure"
    assert "can't be looked at (RecursionError)" in decision.headline
    assert len(decision.headline) < 140


@pytest.mark.parametrize(
    "file", ["Makefile", "tests/unit/test_gate.py", ".github/workflows/platform.yml"]
)
def test_a_change_of_the_tests_themselves_is_named(
    base: Repository, tmp_path: Path, file: str
) -> None:
    path = base.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("test:\n\ttrue\n")
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    scope = scope_of(base, source(base, head, tmp_path / "merged"))
    assert scope.platform == (file,)
    assert "tests are changed**" in scope.notices[-1]
