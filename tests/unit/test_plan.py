from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.plan import Touched, plan
from ci.plan.matrix import matrix
from ci.repository import Repository
from tests.support.repositories import (
    commit_all,
    git,
    new_repository,
    write_dataset,
    write_model,
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_dataset(made, "weather")
    write_model(made, "first")
    write_model(made, "second", datasets=["weather"])
    write_model(made, "third", datasets=["weather"], depends_on=["first"])
    commit_all(made.root)
    git(made.root, "checkout", "-q", "-b", "work")
    return made


def names(repository: Repository, base: str = "main") -> list[str]:
    return [touched.name for touched in plan(repository, base)]


def test_an_untouched_tree_touches_no_model(repository: Repository) -> None:
    assert names(repository) == []


def test_a_change_touches_its_model_and_declared_dependents(repository: Repository) -> None:
    (repository.models_dir / "first" / "train.py").write_text("print('better')\n")
    reasons = {touched.name: touched.reason for touched in plan(repository, "main")}
    assert reasons == {
        "first": "models/first/train.py changed",
        "third": "depends on first, which is touched",
    }


def test_committed_staged_and_untracked_changes_count_alike(repository: Repository) -> None:
    (repository.models_dir / "second" / "train.py").write_text("print(2)\n")
    commit_all(repository.root)
    assert names(repository) == ["second"]
    (repository.models_dir / "third" / "new.py").write_text("x = 1\n")
    assert names(repository) == ["second", "third"]


def test_what_main_changed_since_the_branch_began_does_not_count(repository: Repository) -> None:
    git(repository.root, "checkout", "-q", "main")
    (repository.models_dir / "second" / "train.py").write_text("print('on main')\n")
    commit_all(repository.root)
    git(repository.root, "checkout", "-q", "work")
    (repository.models_dir / "first" / "params.yaml").write_text("a: 1\n")
    assert names(repository) == ["first", "third"]


def test_a_new_data_version_touches_the_models_that_read_it(repository: Repository) -> None:
    tracked = repository.data_dir / "weather" / "tables" / "weather.csv.dvc"
    tracked.write_text(tracked.read_text().replace("0" * 32, "1" * 32))
    assert names(repository) == ["second", "third"]


def test_a_dataset_made_from_a_changed_one_counts(repository: Repository) -> None:
    derived = repository.data_dir / "weather" / "dvc.yaml"
    derived.write_text("stages:\n  make:\n    cmd: x\n    deps: [../sales/tables/sales.csv]\n")
    commit_all(repository.root)
    git(repository.root, "branch", "-f", "base")
    (repository.data_dir / "sales" / "dataset.yaml").write_text("name: sales\nowner: a\n")
    assert names(repository, "base") == ["first", "second", "third"]


@pytest.mark.parametrize("file", ["bentos/rows.py", "ci/locks/serving.txt"])
def test_runners_and_locks_touch_every_model(repository: Repository, file: str) -> None:
    path = repository.root / file
    path.parent.mkdir(parents=True)
    path.write_text("changed\n")
    assert names(repository) == ["first", "second", "third"]


@pytest.mark.parametrize(
    "file",
    ["README.md", "docs/page.md", "models/first/README.md", "data/sales/incoming/march.csv"],
)
def test_documentation_touches_no_model(repository: Repository, file: str) -> None:
    path = repository.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("words\n")
    assert names(repository) == []


def test_a_deleted_model_is_not_listed(repository: Repository) -> None:
    git(repository.root, "rm", "-rq", "models/second")
    assert names(repository) == []


def test_a_broken_contract_elsewhere_does_not_stop_the_plan(repository: Repository) -> None:
    (repository.models_dir / "second" / "model.yaml").write_text("name: [\n")
    (repository.models_dir / "first" / "train.py").write_text("print(3)\n")
    assert names(repository) == ["first", "second", "third"]


def test_an_unknown_base_is_one_sentence(repository: Repository) -> None:
    with pytest.raises(MlopsError, match="'nowhere' has no common history") as caught:
        plan(repository, "nowhere")
    assert caught.value.code == "unknown_base"


def test_the_matrix_has_a_job_a_model_and_a_broken_contract_a_job_that_says_so(
    repository: Repository,
) -> None:
    (repository.models_dir / "second" / "model.yaml").write_text("language: [\n")
    touched = [Touched("first", "x changed"), Touched("second", "y changed")]
    assert matrix(repository, touched) == {
        "include": [
            {"model": "first", "language": "python", "reason": "x changed"},
            {"model": "second", "language": "python", "reason": "y changed"},
        ]
    }


def test_more_models_than_a_run_holds_are_a_sentence(repository: Repository) -> None:
    touched = [Touched(f"m{number}", "bentos/rows.py changed") for number in range(257)]
    with pytest.raises(MlopsError, match=r"touches 257 models \(bentos/rows.py changed\)"):
        matrix(repository, touched)
