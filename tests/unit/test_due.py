"""What a deployment has to release."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.fingerprint import fingerprint
from ci.plan.plan import Touched
from ci.release.due import Due, Request, due, own_digest
from ci.release.plan import in_turn
from ci.repository import Repository
from ci.state.records import Deployed, Pin, Release, put_in_production, write_deployed, write_pin
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
    for name in ("one", "two"):
        write_model(made, name)
    commit_all(made.root, "start")
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def head(repository: Repository) -> str:
    return git(repository.root, "rev-parse", "HEAD").strip()


def change(repository: Repository, name: str, text: str = "print('other')\n") -> str:
    (repository.models_dir / name / "train.py").write_text(text)
    return commit_all(repository.root)


def release(repository: Repository, state: Path, name: str, version: int = 1) -> Release:
    """Write down that ``name`` is released as it is on main."""
    source = fingerprint(repository, name)
    made = Release(
        model=name,
        version=version,
        fingerprint=source,
        source=source,
        bento=f"{name}:{source}",
        digest="d" * 64,
        tag=f"{name}/v{version}",
        asset="x",
        commit=head(repository),
        pull=None,
        approvers=[],
        candidate="reviewed",
        run_id="r",
        source_run_id="s",
        trained_at="t",
        released_at="t",
        workflow_run="w",
        data={},
    )
    put_in_production(state, made)
    return made


def names(found: Due) -> list[str]:
    return [model.name for model in found.models]


def test_a_new_repository_releases_what_its_first_push_changes(
    repository: Repository, state: Path
) -> None:
    before = head(repository)
    change(repository, "one")
    assert names(due(repository, state, Request(before=before))) == ["one"]


def test_the_first_commit_of_all_releases_nothing(repository: Repository, state: Path) -> None:
    assert names(due(repository, state, Request())) == []


def test_everything_since_the_last_deployed_commit_and_not_the_last_push_only(
    repository: Repository, state: Path
) -> None:
    write_deployed(state, Deployed(commit=head(repository), at="t", owed={}))
    change(repository, "one")
    before = change(repository, "two")
    (repository.root / "README").write_text("docs\n")
    commit_all(repository.root)
    assert names(due(repository, state, Request(before=before))) == ["one", "two"]


def test_a_released_model_is_due_when_main_differs_and_not_otherwise(
    repository: Repository, state: Path
) -> None:
    release(repository, state, "one")
    write_deployed(state, Deployed(commit=head(repository), at="t", owed={}))
    assert names(due(repository, state, Request())) == []
    changed = change(repository, "one")
    write_deployed(state, Deployed(commit=changed, at="t", owed={}))  # tried, and it failed
    assert names(due(repository, state, Request())) == ["one"]


def test_a_first_version_that_failed_is_owed(repository: Repository, state: Path) -> None:
    start = head(repository)
    changed = change(repository, "one")
    write_deployed(state, Deployed(commit=changed, at="t", owed={"one": start}))
    assert names(due(repository, state, Request())) == ["one"]


def test_a_changed_dataset_makes_its_models_due(repository: Repository, state: Path) -> None:
    before = head(repository)
    path = repository.data_dir / "sales" / "tables" / "sales.csv.dvc"
    path.write_text(path.read_text().replace("0" * 32, "1" * 32))
    commit_all(repository.root)
    assert names(due(repository, state, Request(before=before))) == ["one", "two"]


def test_a_run_of_long_ago_that_is_run_again_releases_nothing(
    repository: Repository, state: Path
) -> None:
    start = head(repository)
    change(repository, "one")
    release(repository, state, "one")
    write_deployed(state, Deployed(commit=head(repository), at="t", owed={}))
    git(repository.root, "checkout", "-q", start)
    found = due(repository, state, Request(asked="one"))
    assert names(found) == []
    assert found.note
    assert "newer commit" in found.note


def test_a_person_may_ask_for_a_model(repository: Repository, state: Path) -> None:
    assert names(due(repository, state, Request(asked="two", by="alice"))) == ["two"]
    with pytest.raises(MlopsError, match="did you mean two"):
        due(repository, state, Request(asked="twoo"))


def test_a_deleted_model_is_named(repository: Repository, state: Path) -> None:
    release(repository, state, "one")
    git(repository.root, "rm", "-rq", "models/one")
    commit_all(repository.root)
    found = due(repository, state, Request())
    assert (names(found), found.deleted) == ([], ["one"])


def test_a_rewritten_main_still_knows_what_is_released(repository: Repository, state: Path) -> None:
    release(repository, state, "one")
    write_deployed(state, Deployed(commit="f" * 40, at="t", owed={}))
    change(repository, "one")
    change(repository, "two")
    assert names(due(repository, state, Request())) == ["one"]


class TestPin:
    @pytest.fixture(autouse=True)
    def rolled_back(self, repository: Repository, state: Path) -> None:
        """Version 2 of `one` is on main, and production was taken back to version 1."""
        first = release(repository, state, "one")
        change(repository, "one", "print('worse')\n")
        release(repository, state, "one", 2)
        put_in_production(state, first)
        own = own_digest(repository, "one")
        write_pin(state, Pin(model="one", version=1, left=2, own=own, reason="x", by="bob", at="t"))

    def test_it_holds_back_what_was_rolled_back_from(
        self, repository: Repository, state: Path
    ) -> None:
        found = due(repository, state, Request())
        assert names(found) == []
        assert [pin.model for pin in found.pinned] == ["one"]

    def test_other_data_does_not_pass_it(self, repository: Repository, state: Path) -> None:
        path = repository.data_dir / "sales" / "tables" / "sales.csv.dvc"
        path.write_text(path.read_text().replace("0" * 32, "1" * 32))
        commit_all(repository.root)
        assert names(due(repository, state, Request())) == []

    def test_asking_for_the_model_alone_does_not_pass_it(
        self, repository: Repository, state: Path
    ) -> None:
        assert names(due(repository, state, Request(asked="one", by="alice"))) == []

    def test_asking_to_unpin_passes_it(self, repository: Repository, state: Path) -> None:
        asked = Request(asked="one", by="alice", unpin=True)
        assert names(due(repository, state, asked)) == ["one"]

    def test_a_change_of_the_model_itself_passes_it(
        self, repository: Repository, state: Path
    ) -> None:
        change(repository, "one", "print('mended')\n")
        assert names(due(repository, state, Request())) == ["one"]


def test_a_run_takes_as_many_models_as_it_has_jobs_and_the_one_that_was_asked_for_first() -> None:
    models = [Touched(f"m{number:03}", "a lock changed") for number in range(300)]
    now, later = in_turn(models, "m299")
    assert [each.name for each in now] == ["m299", *(f"m{number:03}" for number in range(255))]
    assert later == [f"m{number:03}" for number in range(255, 299)]
    assert in_turn(models[:256], None) == (models[:256], [])


HEAVY = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"numpy", "pandas", "mlflow", "dvc", "bentoml", "pyarrow"}:
            raise ImportError(name + " is not in ci/locks/plan.txt")

sys.meta_path.insert(0, Refuse())
import ci.cli.steps.merge, ci.github.workflow, ci.release.plan, ci.release.settle
import ci.assets.github, ci.cli.steps.batch, ci.cli.steps.clock
import ci.clock.due, ci.clock.history, ci.host.reach, ci.monitor.issues
"""


def test_the_jobs_plan_settle_and_issues_do_with_the_small_lock() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAVY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
