"""Who approved a version that went back by itself is told so, where they approved it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.events.log import own_log
from ci.registry.change import Why
from ci.release.tell import told
from ci.repository import Repository
from ci.state.local import state_folder
from ci.state.records import Release, put_in_production
from tests.support import repositories
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.pulls import open_pull

MODEL = "sales-python"
SAID = "As a canary, 7 of its 90 calls failed"
OPERATOR = "ghp_1"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return repositories.new_repository(tmp_path / "repository")


@pytest.fixture
def hub(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """GitHub, whose repository is the checkout's origin."""
    made = Hub(tmp_path / "github")
    new_bare(made.bare)
    repositories.git(repository.root, "checkout", "-q", "-B", "main")
    repositories.git(repository.root, "push", "-q", str(made.bare), "main", "main:change")
    made.tokens[OPERATOR] = Token("operator", {"issues": "write", "pull-requests": "write"}, 1)
    made.collaborators.update({"operator": "push", "alice": "push"})
    with Standin(made):
        address = f"{made.url}/{made.full_name}.git"
        repositories.git(repository.root, "remote", "add", "origin", address)
        monkeypatch.setenv("GITHUB_API_URL", made.url)
        monkeypatch.setenv("GITHUB_TOKEN", OPERATOR)
        yield made
    assert made.problems == []


def go_back(repository: Repository, code: str = "canary_failed", version: int = 2) -> None:
    with pytest.raises(MlopsError, match=SAID), told(repository, MODEL, Why("new"), version):
        raise MlopsError(code, SAID)


def events(repository: Repository) -> list[tuple[str, str | None, str | None]]:
    return [(each.kind, each.code, each.detail) for each in own_log(repository).events()]


def test_an_issue_tells_of_what_no_pull_request_brought_and_only_once(
    hub: Hub, repository: Repository
) -> None:
    go_back(repository)
    go_back(repository)
    assert events(repository) == [("failed", "canary_failed", SAID)] * 2
    [issue] = hub.issues.values()
    assert issue["title"] == f"{MODEL} went back from version 2"
    assert issue["labels"] == ["deployment"]
    assert SAID in issue["body"]
    go_back(repository, "shadow_failed")
    assert len(hub.issues) == 1
    [comment] = hub.comments
    assert comment["number"] == issue["number"]


def test_the_pull_request_of_a_released_version_has_it(hub: Hub, repository: Repository) -> None:
    pull = open_pull(
        hub,
        head_owner=hub.owner,
        head_ref="change",
        base_ref="main",
        author="alice",
        title="A change",
        body=None,
    )
    put_in_production(state_folder(repository), release(2, int(pull["number"])))
    go_back(repository)
    [comment] = hub.comments
    assert comment["number"] == pull["number"]
    assert comment["body"].startswith("@alice ")
    assert SAID in comment["body"]


def test_what_is_no_check_of_a_version_is_an_event_only(hub: Hub, repository: Repository) -> None:
    go_back(repository, "port_in_use")
    assert events(repository) == [("failed", "port_in_use", SAID)]
    assert hub.requests == []


def test_github_that_does_not_let_us_is_said_and_changes_nothing(
    hub: Hub,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.tokens[OPERATOR] = Token("operator", {"issues": "read"}, 1)
    go_back(repository)
    assert "Nobody could be told of this on GitHub" in capsys.readouterr().err
    monkeypatch.delenv("GITHUB_TOKEN")
    go_back(repository, version=3)
    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err
    repositories.git(repository.root, "remote", "remove", "origin")
    go_back(repository, version=4)
    assert capsys.readouterr().err == ""
    assert len(events(repository)) == 3
    assert hub.issues == {}


def release(version: int, pull: int) -> Release:
    """A version that was released."""
    texts = dict.fromkeys(
        ("source", "bento", "digest", "tag", "asset", "run_id", "source_run_id", "workflow_run"), ""
    )
    return Release(
        model=MODEL,
        version=version,
        fingerprint="1" * 40,
        commit="1" * 40,
        pull=pull,
        approvers=["alice"],
        candidate="reviewed",
        trained_at="2026-01-01T00:00:00+00:00",
        released_at="2026-01-01T00:00:00+00:00",
        data={},
        **texts,
    )
